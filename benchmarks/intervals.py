"""How sure a number is. Every interval here is for 95 % confidence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
BLOCKS = 10
T_BLOCKS = 2.262157  # Student's t for BLOCKS - 1 degrees of freedom

Interval = tuple[float, float]


def percentile_interval(values: NDArray[np.int64], percentile: float) -> Interval | None:
    """Bounds of a percentile from order statistics; no assumption about the distribution.

    How many of n samples lie below the true percentile is binomial, so two ranks bracket it. None when n is too
    small for an upper rank to exist: 99 % of 300 requests cannot bound a p99 from above. Requests that queue behind
    each other are not independent, so under load the truth is a little wider.
    """
    n, share = len(values), percentile / 100
    spread = Z * math.sqrt(n * share * (1 - share))
    low, high = math.floor(n * share - spread), math.ceil(n * share + spread)
    if low < 0 or high >= n:
        return None
    ordered = np.partition(values, (low, high))
    return float(ordered[low]), float(ordered[high])


def rate_interval(done: NDArray[np.int64], begin: float, end: float) -> Interval | None:
    """Bounds of a rate (1/s) from completion times in microseconds between `begin` and `end` seconds.

    Batch means: the rates of ten blocks in a row are nearly independent even where single answers are not.
    """
    if end <= begin or len(done) < 5 * BLOCKS:
        return None
    counts, _ = np.histogram(done, bins=BLOCKS, range=(begin * 1e6, end * 1e6))
    rates = counts / ((end - begin) / BLOCKS)
    mean, error = float(rates.mean()), float(rates.std(ddof=1) / math.sqrt(BLOCKS))
    return max(0.0, mean - T_BLOCKS * error), mean + T_BLOCKS * error


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two intervals share a value; if they do, the difference may be chance."""
    return one[0] <= other[1] and other[0] <= one[1]
