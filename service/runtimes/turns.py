"""How long calls take beside each other: in turns within one process, so that what disturbs one disturbs all.

Every round calls each of them once, in random order, often enough to fill a few milliseconds. What survives a restless
machine is the ratio within a round; a control, the same work under a second name, shows how far that can be trusted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

Calls = Mapping[str, Callable[[], object]]
ROUNDS = 40
ROUND_S = 0.004
WARM_UPS = 5


@dataclass(frozen=True)
class Ratio:
    """The time of one call over that of another: median of the rounds and its 95 % interval. Below 1 is quicker."""

    at: float
    low: float
    high: float
    rounds: int

    def to_dict(self) -> dict[str, float | int]:
        """Ready for a record, to three digits."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def take_turns(
    calls: Calls, *, rounds: int = ROUNDS, round_s: float = ROUND_S, seed: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Seconds per call, (rounds,) for each."""
    draws = np.random.default_rng(seed)
    times = {name: _times(call, round_s) for name, call in calls.items()}
    taken = {name: np.empty(rounds) for name in calls}
    names = list(calls)
    for number in range(rounds):
        for place in draws.permutation(len(names)):
            name = names[place]
            call, count = calls[name], times[name]
            began = time.perf_counter()
            for _ in range(count):
                call()
            taken[name][number] = (time.perf_counter() - began) / count
    return taken


def ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> Ratio:
    """`one` over `other`, round by round. The interval is that of a median, by order statistics (H. A. David, 1981)."""
    sorted_ratios = np.sort(one / other)
    rounds = len(sorted_ratios)
    below = _order(rounds)
    return Ratio(float(np.median(sorted_ratios)), float(sorted_ratios[below]), float(sorted_ratios[rounds - 1 - below]),
                 rounds)


def _order(rounds: int) -> int:
    """How many ratios to leave out at each end, so that the rest holds the median with 95 %."""
    chance, kept = 0.0, -1
    for count in range(rounds):
        chance += math.comb(rounds, count) / 2**rounds
        if chance > 0.025:
            break
        kept = count
    return max(0, kept)


def _times(call: Callable[[], object], round_s: float) -> int:
    best = math.inf
    for _ in range(WARM_UPS):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return max(1, math.ceil(round_s / best))
