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
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.stats.intervals import Interval

Verdict = Literal["faster", "slower", "equivalent", "inconclusive"]
Pair = tuple[NDArray[np.int64], NDArray[np.int64]]  # latencies of A and of B, in the order they were sent
RESAMPLES = 1000
BLOCKS = 20
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

    Where several figures share the risk of 5 %, each gets its part: `confidence` 0.975 for two.
    """
    if len(pairs) < LEAST_PAIRS:
        raise ValueError(f"{len(pairs)} pairs of runs say nothing about the next one; {LEAST_PAIRS} are the minimum")
    singles = [statistic(b) / statistic(a) for a, b in pairs]
    at = math.exp(float(np.mean(np.log(singles))))
    low, high = _bootstrapped(pairs, statistic, confidence, np.random.default_rng(seed))
    spread = student(len(pairs), confidence) * float(np.std(np.log(singles), ddof=1)) / math.sqrt(len(pairs))
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


@lru_cache(maxsize=256)
def student(pairs: int, confidence: float) -> float:
    """Student's t, two-sided, for a number of pairs: where it has `confidence` of its mass."""
    low, high = 0.0, 1.0
    while _within(high, pairs - 1) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, pairs - 1) < confidence else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| < t), exactly, for whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
