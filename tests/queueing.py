"""A queue whose behaviour is known: Poisson arrivals, one worker, the same service time for everybody (M/D/1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def waits_at_most(time: float, load: float) -> float:
    """P(wait <= time) by Erlang's series; `time` in service times, `load` below 1. Good for time * load up to 20."""
    terms = (
        (load * (k - time)) ** k / math.factorial(k) * math.exp(-load * (k - time)) for k in range(int(time) + 1)
    )
    return (1 - load) * math.fsum(terms)


def response(percentile: float, rate: float, service: float) -> float:
    """A percentile of the response time, in the unit of `service`; `rate` in one over that unit."""
    low, high = 0.0, 1.0
    while waits_at_most(high, rate * service) < percentile / 100:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if waits_at_most(middle, rate * service) < percentile / 100 else (low, middle)
    return service * (1 + high)


def capacity(percentile: float, limit: float, service: float) -> float:
    """The highest rate at which the percentile is within the limit."""
    low, high = 0.0, 0.98 / service
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if response(percentile, middle, service) <= limit else (low, middle)
    return low


def answered(intended: NDArray[np.int64], service: int) -> NDArray[np.int64]:
    """When each request is done: whoever comes first is served first (Lindley's recursion)."""
    done, free = np.empty_like(intended), 0
    for i, arrival in enumerate(intended.tolist()):
        free = max(arrival, free) + service
        done[i] = free
    return done
