"""How sure a number is. Every interval here is for 95 % confidence."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Z = 1.959964
BLOCKS = 10          # at most
LEAST_BLOCKS = 3
MEMORIES = 100       # correlation times that a block should last, so that blocks hardly depend on each other
BLOCK_MINIMUM = 100  # values; fewer have no p99 to speak of
# Student's t by the number of blocks, for one degree of freedom less.
T = {3: 4.302653, 4: 3.182446, 5: 2.776445, 6: 2.570582, 7: 2.446912, 8: 2.364624, 9: 2.306004, 10: 2.262157}

Interval = tuple[float, float]


def surely_above(one: float, around: Interval, other: float, around_other: Interval) -> bool:
    """Whether a share is above another, given both with their Wilson intervals, which may overlap a little even so.

    Newcombe's tenth method (Statistics in Medicine 17, 1998, page 873), for independent samples.
    """
    return one - other > math.hypot(one - around[0], around_other[1] - other)


def percentile_interval(values: NDArray[np.int64], percentile: float) -> Interval | None:
    """Bounds of a percentile from order statistics; no assumption about the distribution.

    How many of n samples lie below the true percentile is binomial, so two ranks bracket it. None when n is too
    small for an upper rank to exist: 99 % of 300 requests cannot bound a p99 from above. Holds for independent values.
    """
    n, share = len(values), percentile / 100
    spread = Z * math.sqrt(n * share * (1 - share))
    low, high = math.floor(n * share - spread), math.ceil(n * share + spread)
    if low < 0 or high >= n:
        return None
    ordered = np.partition(values, (low, high))
    return float(ordered[low]), float(ordered[high])


def latency_interval(microseconds: NDArray[np.int64], percentile: float) -> Interval | None:
    """Bounds of a percentile of latencies in the order they were sent, which queue behind each other.

    Neighbours in a queue share their fate, so n requests say less than n independent values would. How much the
    percentile scatters between blocks in a row shows it, on a logarithmic scale because latencies are skewed; the wider
    of the two intervals is the honest one. The longer the queue remembers, the fewer and longer the blocks. How many of
    500 intervals held the true p99 of a simulated M/M/1 queue, and their median width as a share of it:

        load   requests   order statistics   ten blocks, always   this
        50 %     14,000   48 %, 0.08         92 %, 0.22           92 %, 0.21
        80 %     14,000   18 %, 0.06         72 %, 0.32           90 %, 0.78
        90 %     14,000    7 %, 0.04         45 %, 0.31           85 %, 1.03
        50 %      3,000   52 %, 0.15         84 %, 0.31           90 %, 0.56
        80 %      3,000   17 %, 0.09         50 %, 0.31           85 %, 1.07
        90 %      3,000    4 %, 0.04         25 %, 0.26           69 %, 1.02

    So a short load close to saturation still promises too much: it has seen too few of the crowds that make its p99.
    """
    independent = percentile_interval(microseconds, percentile)
    if independent is None or len(microseconds) < LEAST_BLOCKS * BLOCK_MINIMUM:
        return independent
    count = int(min(BLOCKS, max(LEAST_BLOCKS, len(microseconds) / (MEMORIES * correlation_time(microseconds)))))
    blocks = [math.log(max(1.0, np.percentile(block, percentile))) for block in np.array_split(microseconds, count)]
    at, error = float(np.percentile(microseconds, percentile)), float(np.std(blocks, ddof=1) / math.sqrt(count))
    return min(independent[0], at * math.exp(-T[count] * error)), max(independent[1], at * math.exp(T[count] * error))


def correlation_time(values: NDArray[np.int64]) -> float:
    """How many values in a row say no more than one independent value; 1 where neighbours have nothing in common.

    The integrated autocorrelation time, summed over five times its own length (Sokal 1997); beyond that it is noise.
    """
    centred = values - values.mean()
    if not centred.any():
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * len(values))
    correlation = np.fft.irfft(spectrum * spectrum.conj())[:len(values)]
    summed = 2 * np.cumsum(correlation / correlation[0]) - 1
    enough = np.arange(len(values)) >= 5 * summed
    return max(1.0, float(summed[np.argmax(enough)])) if enough.any() else float(len(values))


def rate_interval(done: NDArray[np.int64], begin: float, end: float) -> Interval | None:
    """Bounds of a rate (1/s) from completion times in microseconds between `begin` and `end` seconds.

    Batch means: the rates of ten blocks in a row are nearly independent even where single answers are not.
    """
    if end <= begin or len(done) < 5 * BLOCKS:
        return None
    counts, _ = np.histogram(done, bins=BLOCKS, range=(begin * 1e6, end * 1e6))
    rates = counts / ((end - begin) / BLOCKS)
    mean, error = float(rates.mean()), float(rates.std(ddof=1) / math.sqrt(BLOCKS))
    return max(0.0, mean - T[BLOCKS] * error), mean + T[BLOCKS] * error


def overlap(one: Interval, other: Interval) -> bool:
    """Whether two intervals share a value; if they do, the difference may be chance."""
    return one[0] <= other[1] and other[0] <= one[1]
