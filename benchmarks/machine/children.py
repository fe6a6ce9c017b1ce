"""Starting and stopping child processes so that none is ever left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

import psutil

from benchmarks.machine.cores import pinned

ROOT = Path(__file__).resolve().parent.parent.parent
INTERRUPTED = 130  # exit code, as shells have it for Ctrl-C
GRACE = 10.0  # seconds between asking and killing
GONE = 1.0    # seconds a killed group is waited for; where nobody reaps orphans their entries stay for ever


def start(
    command: Sequence[str], *, log: Path, cores: tuple[int, ...] = (), environment: Mapping[str, str] | None = None,
    stdout: int | None = None, cwd: Path = ROOT,
) -> subprocess.Popen[str]:
    """Start `command` in its own process group, pinned, with stderr (and stdout, unless given) in `log`."""
    with pinned(cores), log.open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own commands, no shell
            list(command), cwd=cwd, env={**os.environ, **(environment or {})}, text=True,
            stdin=subprocess.DEVNULL, stdout=file if stdout is None else stdout, stderr=file,
            start_new_session=True,  # Ctrl-C reaches only us; we decide in which order things end
        )


def stop(process: subprocess.Popen[str]) -> None:
    """End a child and everything it started: ask the leader, wait, then kill what is left of its group and of its kin.

    The workers of a server are in groups of their own, and outlive a leader that is killed.
    """
    kin = process_tree(process.pid)[1:]
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # the group id is the leader's; nothing of ours may survive it
        deadline = time.monotonic() + GONE
        while time.monotonic() < deadline:  # a killed process takes a moment to die
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    _kill(kin)
    process.wait()
    if process.stdout:
        process.stdout.close()


def stop_all() -> None:
    """End every child that is left, however it came about: Ctrl-C may strike inside Popen, before it has returned."""
    for child in psutil.Process().children():
        kin = process_tree(child.pid)[1:]
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(child.pid) == child.pid:
                os.killpg(child.pid, signal.SIGKILL)
            child.kill()
            child.wait(GONE)
        _kill(kin)


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and all that came of it; empty when it is gone."""
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []


def _kill(kin: list[psutil.Process]) -> None:
    for each in kin:
        with contextlib.suppress(psutil.Error):  # a number that somebody else has by now is left alone
            each.kill()


def leaving_nothing(main: Callable[[], int]) -> int:
    """`main()`, with every child ended afterwards, also where this process is asked to end as Ctrl-C would."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        stop_all()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, indented, for error messages."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "  (no output)"
    return "\n".join(f"  {line}" for line in lines[-count:]) or "  (no output)"
