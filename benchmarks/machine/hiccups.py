"""How punctual a core is while it has nothing to do: a server that is measured on it can be no better.

After jHiccup (Gil Tene, github.com/giltene/jHiccup): a thread that does nothing but wake up in time, or look at the
clock, is late only where the machine makes it late.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.clock import no_timer_slack
from benchmarks.machine.cores import pinned

EVERY_NS = 1_000_000  # between two wake-ups
GAP_NS = 20_000       # between two looks at the clock, from which on the loop was interrupted; a look takes 0.1 us


@dataclass(frozen=True)
class Hiccups:
    """What one core did."""

    late_us: NDArray[np.float64]   # of every wake-up
    gaps_us: NDArray[np.float64]   # of every interruption
    looked_s: float                # for how long interruptions were looked for

    @property
    def interrupted(self) -> float:
        """The share of its time that the loop did not have."""
        return float(self.gaps_us.sum()) / 1e6 / self.looked_s

    @property
    def longest_us(self) -> float:
        """The longest interruption."""
        return float(self.gaps_us.max(initial=0.0))


def hiccups(cores: tuple[int, ...], seconds: float) -> Hiccups:
    """Half of `seconds` asleep and half awake, on these cores; () is wherever the system likes."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with pinned(cores):
            no_timer_slack()
            return Hiccups(_wake_ups(seconds / 2), *_awake(seconds / 2))
    finally:
        if collecting:
            gc.enable()


def _wake_ups(seconds: float) -> NDArray[np.float64]:
    late = []
    due = time.perf_counter_ns() + EVERY_NS
    end = due + int(seconds * 1e9)
    while due < end:
        time.sleep(max(0, due - time.perf_counter_ns()) / 1e9)
        now = time.perf_counter_ns()
        late.append((now - due) / 1000)
        due += EVERY_NS * (1 + max(0, now - due) // EVERY_NS)  # those that were slept through are one hiccup, not many
    return np.array(late)


def _awake(seconds: float) -> tuple[NDArray[np.float64], float]:
    gaps, look = [], time.perf_counter_ns
    begun = before = look()
    end = begun + int(seconds * 1e9)
    while before < end:
        now = look()
        if now - before > GAP_NS:
            gaps.append((now - before) / 1000)
        before = now
    return np.array(gaps), (before - begun) / 1e9
