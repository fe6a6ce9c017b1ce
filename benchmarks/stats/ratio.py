"""Whether B is slower than A, from pairs of runs: an interval of the ratio, and what may be said of it.

Requests in a row share their fate, and so do those of one run, so a request is no unit of evidence. The bootstrap draws
pairs of runs first, and then, within each run, blocks of consecutive requests (Efron and Tibshirani 1993, ch. 8;
blocks after Künsch 1989). A and B of a pair met the same schedule minutes apart, so they are drawn together.

With few pairs the bootstrap alone is too sure of itself. The interval is never narrower than Student's t on the
logarithm of the pairs' own ratios allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.stats.intervals import Interval

Verdict = Literal["faster", "slower", "equivalent", "inconclusive"]
Pair = tuple[NDArray[np.int64], NDArray[np.int64]]  # latencies of A and of B, in the order they were sent
RESAMPLES = 1000
BLOCKS = 20
# Student's t, two-sided, by degrees of freedom (pairs - 1): for 95 % and, where two figures are judged, for 97.5 %.
T = {0.95: (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201),
     0.975: (25.452, 6.205, 4.177, 3.495, 3.163, 2.969, 2.841, 2.752, 2.685, 2.634, 2.593)}
LEAST_PAIRS = 3


@dataclass(frozen=True)
class Ratio:
    """B over A; above 1 means that B takes longer."""

    at: float
    interval: Interval
    verdict: Verdict
    pairs: tuple[float, ...]   # of each pair alone


def compare(
    pairs: Sequence[Pair], statistic: Callable[[NDArray[np.int64]], float], *, margin: float,
    confidence: float = 0.95, seed: int = 0,
) -> Ratio:
    """The ratio of a statistic of B to that of A, and a verdict with a practical `margin` (0.05 is 5 %).

    `confidence` is 0.95, or 0.975 where two figures share the risk.
    """
    if len(pairs) < LEAST_PAIRS:
        raise ValueError(f"{len(pairs)} pairs of runs say nothing about the next one; {LEAST_PAIRS} are the minimum")
    singles = [statistic(b) / statistic(a) for a, b in pairs]
    at = math.exp(float(np.mean(np.log(singles))))
    low, high = _bootstrapped(pairs, statistic, confidence, np.random.default_rng(seed))
    spread = _student(len(pairs), confidence) * float(np.std(np.log(singles), ddof=1)) / math.sqrt(len(pairs))
    interval = (min(low, at * math.exp(-spread)), max(high, at * math.exp(spread)))
    return Ratio(at, interval, judge(interval, margin), tuple(singles))


def judge(interval: Interval, margin: float) -> Verdict:
    """Slower or faster where the whole interval lies beyond the margin, equivalent where it lies within it."""
    low, high = interval
    if low > 1 + margin:
        return "slower"
    if high < 1 / (1 + margin):
        return "faster"
    if low >= 1 / (1 + margin) and high <= 1 + margin:
        return "equivalent"
    return "inconclusive"


def _bootstrapped(
    pairs: Sequence[Pair], statistic: Callable[[NDArray[np.int64]], float], confidence: float,
    random: np.random.Generator,
) -> Interval:
    ratios = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        chosen = random.integers(len(pairs), size=len(pairs))
        logs = [math.log(statistic(_redrawn(pairs[k][1], random)) / statistic(_redrawn(pairs[k][0], random)))
                for k in chosen]
        ratios[i] = math.exp(float(np.mean(logs)))
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(ratios, (tail, 100 - tail)).tolist()
    return float(low), float(high)


def _redrawn(values: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """As many values again, in blocks of neighbours."""
    length = max(1, len(values) // BLOCKS)
    starts = random.integers(len(values) - length + 1, size=math.ceil(len(values) / length))
    redrawn: NDArray[np.int64] = values[(starts[:, None] + np.arange(length)).ravel()[:len(values)]]
    return redrawn


def _student(pairs: int, confidence: float) -> float:
    return T[confidence][min(pairs - 1, len(T[confidence])) - 1]
