"""The files of a run while it is being made: lock, state, history, and the end in the right order."""

from __future__ import annotations

import fcntl
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.atomic import write_atomically
from training.runs import HISTORY_FILE, RESULT_FILE, WEIGHTS_FILE

STATE_FILE = "state.pt"
LOCK_FILE = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run for this process; ValueError when another one is training it. The lock dies with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{folder}: another process is training this run") from None
        for stale in folder.glob(".*.*.*"):  # temporary files of a process that was killed while writing
            stale.unlink(missing_ok=True)
        yield


def load_state(folder: Path) -> dict[str, Any] | None:
    """The state after the last finished epoch, on the CPU; None for a run that has not finished one."""
    path = folder / STATE_FILE
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: unreadable ({reason}); delete it to start this run again") from error
    return state


def saved_device(folder: Path) -> str | None:
    """The kind of device a run was begun on; None for a run that has no saved state to go on from."""
    state = load_state(folder)
    return str(state["execution"]["device"]) if state else None


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Make `state` what a resumed run starts from; the history follows from it, so that no line can double."""
    write_atomically(folder / STATE_FILE, _serialised(state))
    write_history(folder, state["history"])


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write history.jsonl as a whole."""
    write_atomically(folder / HISTORY_FILE, "".join(json.dumps(line) + "\n" for line in history).encode())


def finish(folder: Path, weights: dict[str, Tensor], result: dict[str, Any]) -> None:
    """Weights first, result last; only then is the state superfluous."""
    write_atomically(folder / WEIGHTS_FILE, _serialised(weights))
    write_atomically(folder / RESULT_FILE, json.dumps(result, indent=1).encode() + b"\n")
    (folder / STATE_FILE).unlink(missing_ok=True)


def adopt(folder: Path, files: dict[str, bytes]) -> None:
    """Files of the same run that were made on another machine, in the order in which they would be written here."""
    for name in (STATE_FILE, HISTORY_FILE, WEIGHTS_FILE, RESULT_FILE):
        if name in files:
            write_atomically(folder / name, files[name])
    if RESULT_FILE in files:
        (folder / STATE_FILE).unlink(missing_ok=True)


def _serialised(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
