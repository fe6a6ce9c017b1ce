"""Whether requests for one model should wait a turn of the event loop for each other: tried, not guessed.

A request that waits costs more than its own steps: each further turn of the loop goes to the system and back, and what
comes after it finds less in the caches. How much depends on the machine, the model, and how many requests come at
once. So all of it is measured together, as the processor time of this process per request, in short windows of joining
and of not joining. That is what counts for a worker with one core to itself, where processor time is what runs out.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

WINDOW = 64                # requests
WINDOW_NS = 1_000_000_000  # a window that took longer was mostly idle: whatever else the process does would be in it
LEAST = 3                  # windows of each kind before one is preferred
KEPT = 8                   # of each kind, the newest; their median counts
MARGIN = 0.97              # at a tie requests join: those that came together then end together
AGAIN = 16                 # every so many windows the other kind is tried


class Joining:
    """`now` says whether requests should wait for each other at present. One per lane; used from the event loop."""

    __slots__ = ("_began", "_clock", "_cpu", "_cpu_began", "_requests", "_spent", "_windows", "now")

    def __init__(
        self, clock: Callable[[], int] = time.perf_counter_ns, cpu: Callable[[], int] = time.process_time_ns
    ) -> None:
        self.now = True
        self._clock, self._cpu = clock, cpu
        self._spent: dict[bool, deque[float]] = {kind: deque(maxlen=KEPT) for kind in (True, False)}  # ns per request
        self._windows = 0
        self.restart()

    def restart(self) -> None:
        """Forget the window so far: not all of it was requests for this model that could have joined."""
        self._requests = 0
        self._began, self._cpu_began = self._clock(), self._cpu()

    def served(self, requests: int) -> None:
        """So many requests have their results, as `now` told them to."""
        self._requests += requests
        if self._requests < WINDOW:
            return
        if self._clock() - self._began <= WINDOW_NS:
            self._spent[self.now].append((self._cpu() - self._cpu_began) / self._requests)
            self._windows += 1
            self.now = self._next()
        self.restart()

    def _next(self) -> bool:
        joined, apart = self._spent[True], self._spent[False]
        if min(len(joined), len(apart)) < LEAST:
            return len(joined) <= len(apart)
        better = median(apart) >= MARGIN * median(joined)
        return better != (self._windows % AGAIN == 0)
