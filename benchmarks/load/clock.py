"""Microseconds since the load began, on the monotonic clock."""

from __future__ import annotations

import time


class Clock:
    """Starts at zero when made."""

    def __init__(self) -> None:
        self._zero = time.perf_counter_ns()

    def now(self) -> int:
        """Whole microseconds since the start."""
        return (time.perf_counter_ns() - self._zero) // 1000
