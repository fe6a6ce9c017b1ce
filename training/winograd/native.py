"""The transforms as machine code of this machine: compiled once from `transforms.c`, kept in the cache folder."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from training.atomic import taking_turns, write_atomically
from training.cpu import cpu_flags
from training.places import cache_folder

SOURCE = Path(__file__).with_name("transforms.c")
LANES = 8  # fp32 numbers that are handled at once; channels come in multiples of it
# The C library's OpenMP is torch's own, which is loaded already, so both use the same threads.
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared", "-std=gnu11", "-funroll-loops", f"-DLANES={LANES}")


def compiler() -> str | None:
    """The C compiler of this machine, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


class Shape(ctypes.Structure):
    """Of images (any number, height, width, channels), cut into `down` times `across` tiles each."""

    _fields_ = [(name, ctypes.c_int64) for name in ("height", "width", "channels", "down", "across")]


@functools.cache
def library() -> ctypes.CDLL:
    """The functions of `transforms.c`. RuntimeError without a compiler, or with what it said."""
    command, source = compiler(), SOURCE.read_bytes()
    if command is None:
        raise RuntimeError("Winograd's convolutions are compiled where they run, and there is no cc, gcc or clang")
    made_of = "\n".join([command, *FLAGS, platform.machine(), *sorted(cpu_flags())]).encode() + source
    path = cache_folder() / "native" / f"winograd-{hashlib.sha256(made_of).hexdigest()[:16]}.so"
    with taking_turns(path):
        if not path.exists():
            _compile(command, path)
    found = ctypes.CDLL(str(path))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for size in (2, 4):
        for name, pointers in (("to_tiles", 2), ("of_gradients", 2), ("from_tiles", 2), ("to_pixels", 3)):
            function = getattr(found, f"{name}_{size}")
            function.argtypes, function.restype = [*[pointer] * pointers, number, number, Shape], None
    return found


def _compile(command: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        done = subprocess.run(  # noqa: S603 - the compiler of this machine, on a file of this package
            [command, *FLAGS, str(SOURCE), "-o", str(made)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command} does not compile {SOURCE.name}: {done.stderr.strip()[-500:]}")
        write_atomically(path, made.read_bytes())
