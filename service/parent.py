"""The process that started this worker: what belongs to one server and no other is named after it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

SUPERVISOR = "SUPERVISOR_PID"  # variable of the workers: who starts them, and starts them again
LOOKS_S = 1.0
logger = logging.getLogger("weighbridge")


def name() -> str:
    """`pid-start` of the parent; all workers of a server have the same, and no other server ever has it."""
    pid = os.getppid()
    return f"{pid}-{_started(pid)}"


def lives(name: str) -> bool:
    """Whether the process of a `name` still runs; True for what is none."""
    pid, _, started = name.partition("-")
    return not pid.isdigit() or (alive(int(pid)) and _started(int(pid)) == started)


def alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> str:
    """When a process began, so that a reused number is not taken for it; "0" where /proc does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


async def follow() -> None:
    """End this worker in order once its supervisor is gone; returns at once in a process that has none."""
    supervisor = os.getppid()
    if os.environ.get(SUPERVISOR) != str(supervisor):
        return
    while os.getppid() == supervisor:
        await asyncio.sleep(LOOKS_S)
    logger.error("the supervisor %d is gone, and this worker ends too", supervisor)
    os.kill(os.getpid(), signal.SIGTERM)
