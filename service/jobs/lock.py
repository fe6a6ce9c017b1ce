"""Who works: the holder of a lock that the kernel takes away from a process that dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

FILE = "runner.lock"


def take(folder: Path) -> int | None:
    """The lock, as a file descriptor that must stay open; None where somebody has it."""
    handle = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def is_held(folder: Path) -> bool:
    """Whether somebody works. A look takes the lock for an instant, which a runner that starts then waits out."""
    handle = take(folder)
    if handle is None:
        return True
    os.close(handle)
    return False
