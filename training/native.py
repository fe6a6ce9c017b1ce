"""C of this package as machine code of this machine: compiled once, kept in the cache folder."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from training.atomic import taking_turns, write_atomically
from training.cpu import cpu_flags
from training.places import cache_folder

# gcc's OpenMP is torch's own, which is loaded already, so both use the same threads. clang brings its own, libomp: more
# threads, and as many of them as OMP_NUM_THREADS or the cores say, whatever torch.set_num_threads did.
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fPIC", "-shared", "-std=gnu11", "-funroll-loops")


def compiler() -> str | None:
    """The C compiler of this machine, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiled(source: Path, name: str, *flags: str) -> ctypes.CDLL:
    """The functions of `source`, kept as `name`; compiled for this process alone where nothing can be kept, or run.

    RuntimeError without a compiler, or with what it said; OSError where not even that can be run.
    """
    command = compiler()
    if command is None:
        raise RuntimeError(f"{source.name} is compiled where it runs, and there is no cc, gcc or clang")
    command_line = [command, *FLAGS, *flags]
    made_of = "\n".join([*command_line, platform.machine(), *sorted(cpu_flags())]).encode() + source.read_bytes()
    file = f"{name}-{hashlib.sha256(made_of).hexdigest()[:16]}.so"
    try:
        return ctypes.CDLL(str(_kept(command_line, source, file)))
    except OSError:  # a cache folder that is another user's, that is full, or of whose files none may be run
        with tempfile.TemporaryDirectory() as folder:
            return ctypes.CDLL(str(_compile(command_line, source, Path(folder) / file)))


def _kept(command_line: list[str], source: Path, file: str) -> Path:
    path = cache_folder() / "native" / file
    if not path.exists():  # a lock wants a folder that can be written, and what is there needs none
        with taking_turns(path), tempfile.TemporaryDirectory() as folder:
            if not path.exists():
                write_atomically(path, _compile(command_line, source, Path(folder) / file).read_bytes())
    return path


def _compile(command_line: list[str], source: Path, made: Path) -> Path:
    done = subprocess.run(  # noqa: S603 - the compiler of this machine, on a file of this package
        [*command_line, str(source), "-o", str(made)], capture_output=True, check=False,
        text=True, errors="replace",  # what a compiler quotes need not be in the locale's encoding
    )
    if done.returncode:
        raise RuntimeError(f"{command_line[0]} does not compile {source.name}: {done.stderr.strip()[-500:]}")
    return made
