"""torch.export archives compiled to machine code by TorchInductor ahead of time (AOTInductor), where they are served.

Compiled code fits one CPU, one torch and one number of threads, so it never travels in an artifact: the portable
archive does, and the machine that serves compiles it once, which takes seconds to a minute, into a private cache. The
cache is code that will be executed: its folder belongs to this user alone.
"""

from __future__ import annotations

import hashlib
import platform
import tempfile
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from service.card import sha256_of
from service.runtimes import RuntimeUnavailable
from service.runtimes.script import TorchModel, load_torch

ONE_AT_A_TIME = threading.Lock()  # the compiler's settings are those of the process
CACHE = Path.home() / ".cache" / "weighbridge" / "inductor"


def open_model(path: Path, *, device: str, threads: int, cache: Path | None = None) -> TorchModel:
    """Load `path` (.pt2) compiled for this machine; compiles it where the cache has nothing.

    RuntimeUnavailable without torch, or where nothing can be compiled.
    """
    torch = load_torch(device)
    folder = cache or CACHE
    compiled = folder / f"{key(path, torch, threads)}.pt2"
    if not compiled.exists():
        try:
            with ONE_AT_A_TIME:
                _compile(torch, path, compiled, threads)
        except Exception as error:  # the compiler raises of many kinds, its own among them
            raise RuntimeUnavailable(
                f"AOTInductor could not compile {path.name}: {type(error).__name__}: {str(error)[:300]}; it needs a "
                "C++ compiler (Debian: apt install g++); or use runtime=torchexport"
            ) from error
    return TorchModel("aotinductor", torch._inductor.aoti_load_package(str(compiled)), torch, device, threads)


def key(path: Path, torch: Any, threads: int) -> str:
    """What compiled code depends on: the graph, torch, the CPU and the number of threads that it starts."""
    machine = hashlib.sha256(f"{platform.machine()} {_cpu()}".encode()).hexdigest()[:12]
    return f"{sha256_of(path)[:16]}-{torch.__version__}-{machine}-t{threads}"


def _compile(torch: Any, path: Path, compiled: Path, threads: int) -> None:
    config = import_module("torch._inductor.config")
    caches = import_module("torch._inductor.runtime.cache_dir_utils")
    compiled.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=compiled.parent) as draft:
        unfinished = Path(draft) / "model.pt2"
        program = torch.export.load(str(path))
        # No pool of compiler processes inside of a server.
        with (
            warnings.catch_warnings(), torch.no_grad(),
            config.patch({"cpp.threads": threads, "compile_threads": 1}),
            caches.temporary_cache_dir(str(compiled.parent / "work")),  # torch's own choice is a folder in /tmp
        ):
            # torch's use of its own deprecated parts; nothing a caller could change.
            for category in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            torch._inductor.aoti_compile_and_package(program, package_path=str(unfinished))
        unfinished.replace(compiled)  # two workers may compile at once; either's result will do


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return " ".join(next((line for line in lines if line.startswith(start)), "") for start in ("model name", "flags"))
