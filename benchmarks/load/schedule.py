"""When requests are sent: arrival times that depend on a seed and a rate, and never on how the server feels.

Users in the outside world do not wait for each other's answers, so the load generator must not either. Poisson
arrivals are what many independent users make together; constant arrivals are the kinder, less honest variant. Where
users are not independent (a batch job, a page with twenty pictures, everybody at the full hour) they come in bursts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Arrival = Literal["poisson", "constant", "gamma"]
MICROSECONDS = 1_000_000
MOST_DISPERSION = 100.0

Seed = int | tuple[int, ...]


def rounded(rate: float) -> float:
    """A rate with four digits: as many as tell anything, and never none."""
    return float(f"{rate:.4g}")


def arrivals(
    kind: Arrival, rate: float, seconds: float, seed: Seed, dispersion: float = 1.0
) -> NDArray[np.int64]:
    """Intended send times in microseconds from the start, ascending, all below `seconds`.

    `rate` is in requests per second. `dispersion` is for "gamma": the variance of how many requests come in a long
    while, over its mean, which is the squared coefficient of variation of their gaps; 1 is Poisson. The same arguments
    give the same schedule on every machine.
    """
    if not (rate > 0 and seconds > 0):
        raise ValueError(f"a schedule needs a positive rate and duration, got {rate}/s for {seconds} s")
    random = np.random.default_rng(seed)
    if kind == "constant":
        times = np.arange(int(rate * seconds)) / rate
    elif kind == "poisson":
        times = _renewal(lambda count: random.exponential(1 / rate, size=count), rate, seconds)
    elif kind == "gamma":
        times = _renewal(lambda count: random.gamma(1 / dispersion, dispersion / rate, size=count), rate, seconds)
    else:
        raise ValueError(f"unknown arrival process {kind!r}; known are poisson, constant, gamma")
    return (times * MICROSECONDS).astype(np.int64)


def _renewal(draw: Callable[[int], NDArray[np.float64]], rate: float, seconds: float) -> NDArray[np.float64]:
    """Independent gaps, drawn in blocks until they span the duration."""
    times = np.empty(0)
    while times.size == 0 or times[-1] < seconds:
        gaps = draw(int(rate * seconds) + 64)
        times = np.concatenate([times, (times[-1] if times.size else 0.0) + np.cumsum(gaps)])
    return times[times < seconds]


def image_order(images: int, requests: int, seed: int) -> NDArray[np.int32]:
    """Which image each request carries: a seeded shuffle, begun again when every image had its turn."""
    order = np.random.default_rng((seed, 1)).permutation(images)  # (seed, 1): independent of the arrival times
    return np.resize(order, requests).astype(np.int32)
