"""Microseconds since the load began, on the monotonic clock."""

from __future__ import annotations

import ctypes
import sys
import time
from contextlib import suppress

PR_SET_TIMERSLACK = 29  # of Linux's prctl


class Clock:
    """Starts at zero when made."""

    def __init__(self) -> None:
        self._zero = time.perf_counter_ns()

    def now(self) -> int:
        """Whole microseconds since the start."""
        return (time.perf_counter_ns() - self._zero) // 1000


def no_timer_slack() -> None:
    """Linux wakes a sleeping thread up to 50 us late to save power; not this one."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
