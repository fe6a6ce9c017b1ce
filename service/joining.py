"""Whether requests for one model should wait a turn of the event loop for each other: tried, not guessed.

A request that waits costs more than its own steps: each further turn of the loop goes to the system and back, and what
comes after it finds less in the caches. How much depends on the machine, the model, and how many requests come at
once. So all of it is measured together, as the processor time of this process per request, in short windows of joining
and of not joining. That is what counts for a worker with one core to itself, where processor time is what runs out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

WINDOW = 64                # requests
WINDOW_NS = 1_000_000_000  # a window that took longer was mostly idle: whatever else the process does would be in it
PAIRS = 48                 # that the estimate is a mean of; one alone is off by a tenth on a busy machine
OUTLIER = 0.3              # of the logarithm; a pair says no more than this
SAVED = 0.03               # at least, by joining: all wait for the last of them, so at a tie they are better off apart
AGAIN = 16                 # every so many windows the other kind is tried


class Joining:
    """`now` says whether requests should wait for each other at present. One per lane; used from the event loop.

    Neighbouring windows of different kinds are compared, because what a request costs drifts with the load and with the
    machine's other guests.
    """

    __slots__ = (
        "_began", "_clock", "_cpu", "_cpu_began", "_excess", "_former", "_pairs", "_requests", "_windows", "now",
    )

    def __init__(
        self, clock: Callable[[], int] = time.perf_counter_ns, cpu: Callable[[], int] = time.process_time_ns
    ) -> None:
        self.now = False
        self._clock, self._cpu = clock, cpu
        self._excess = 0.0  # of joining: the logarithm of what it costs over what not joining costs
        self._pairs = 0
        self._windows = 0   # since the estimate is good
        self._former: tuple[bool, float] | None = None  # kind and ns per request of the window before
        self._began: int | None = None                  # of the clock; None until the next answer
        self._begin()

    def restart(self) -> None:
        """Forget the window so far: not all of it was requests for this model that could have joined. The next one
        begins with the next answer."""
        self._former, self._began = None, None
        self.now = self._pairs == PAIRS and self._pays()  # a trial that ends half-way must not be what lasts

    def served(self, requests: int) -> None:
        """So many requests have their results, as `now` told them to."""
        if self._began is None:
            self._begin()
            return
        self._requests += requests
        if self._requests < WINDOW:
            return
        if self._clock() - self._began > WINDOW_NS:
            self.restart()
            self._begin()
            return
        spent = max(1, self._cpu() - self._cpu_began) / self._requests
        if self._former is not None and self._former[0] != self.now:
            self._learn(math.log(spent / self._former[1]) * (1 if self.now else -1))
        self._former = self.now, spent
        self.now = self._next()
        self._begin()

    def _begin(self) -> None:
        self._requests = 0
        self._began = self._clock()
        self._cpu_began = self._cpu()

    def _learn(self, excess: float) -> None:
        self._pairs = min(self._pairs + 1, PAIRS)
        self._excess += (max(-OUTLIER, min(excess, OUTLIER)) - self._excess) / self._pairs

    def _next(self) -> bool:
        if self._pairs < PAIRS:
            return not self.now
        self._windows += 1
        return self._pays() != (self._windows % AGAIN == 0)

    def _pays(self) -> bool:
        return self._excess < -SAVED
