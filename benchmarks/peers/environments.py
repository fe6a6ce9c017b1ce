"""A virtual environment per contender, made with uv from pinned versions and kept until the pins change."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.machine.children import ROOT
from benchmarks.peers.contenders import Contender, python_of

VENVS = ROOT / ".venv-peers"
STAMP = ".pins.sha256"
INSTALL_LIMIT = 900  # seconds
NAMES = "import json, sys, importlib.metadata as m; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


class UnavailableError(RuntimeError):
    """A contender cannot take part; the message says why, and goes into the result."""


def prepare(contender: Contender) -> None:
    """Make the environment unless it is there and current; UnavailableError when it cannot be made."""
    pins = contender.pins
    if pins is None:
        return
    folder = VENVS / contender.name
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = folder / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = _uv()
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
    _run([uv, "pip", "install", "--quiet", "--python", str(folder), "--requirement", str(pins)])
    stamp.write_text(wanted)


def versions(contender: Contender) -> dict[str, str]:
    """What a contender runs on."""
    said = _run([python_of(contender, VENVS), "-c", NAMES, *contender.packages, "onnxruntime-gpu", "numpy"])
    found: dict[str, str] = json.loads(said)
    return found


def _uv() -> str:
    own = ROOT / ".tools" / "bin" / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise UnavailableError("uv is not there to install it; `make setup` makes .tools/bin/uv")
    return found


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=INSTALL_LIMIT, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"cannot be installed: {error}") from error
    if done.returncode:
        last = " ".join(done.stderr.split())[-600:]
        raise UnavailableError(f"cannot be installed: {Path(command[0]).name} ended with {done.returncode}: {last}")
    return done.stdout
