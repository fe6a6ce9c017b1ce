"""How many requests prove that a percentile is within a limit: the early-stopping rule of MLPerf Inference.

With `over` requests above the limit, the share above it is shown to be below 1 - percentile at 99 % confidence once n
independent requests were seen, n being the smallest number for which P(at most `over` of n are above) <= 1 %. One over
in 662 proves a p99, five in 1,307, twenty in 3,304. Using the rule makes nothing an MLPerf result.

The rule takes requests for independent. In a queue neighbours share their fate, and the confidence is nominal: of
simulated probes of 10 s at the true limit (M/D/1, 290 us, p99 of 20 ms) about four in five pass, not one in a hundred.
So a single load is not enough: see `benchmarks.capacity.search`, which wants two that agree.
"""

from __future__ import annotations

import math
from functools import lru_cache

CONFIDENCE = 0.99


@lru_cache(maxsize=4096)
def requests_needed(percentile: float, over: int, confidence: float = CONFIDENCE) -> int:
    """The fewest requests that prove `percentile` (50 to 99.99) when `over` of them exceed the limit."""
    share = 1 - percentile / 100
    low, high = over, max(1, 2 * over)
    while _at_most(over, high, share) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _at_most(over, middle, share) <= 1 - confidence else (middle, high)
    return high


def most_over(percentile: float, requests: int, confidence: float = CONFIDENCE) -> int:
    """How many of `requests` may exceed the limit at most; -1 where even none would prove nothing."""
    share, low, high = 1 - percentile / 100, -1, requests
    while high - low > 1:  # the more may exceed it, the less is proven: the largest number that still proves it
        middle = (low + high) // 2
        low, high = (middle, high) if _at_most(middle, requests, share) <= 1 - confidence else (low, middle)
    return low


def _at_most(over: int, n: int, share: float) -> float:
    """P(X <= over) for X ~ Binomial(n, share)."""
    if over >= n:
        return 1.0
    logs = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(share)
            + (n - k) * math.log1p(-share) for k in range(over + 1))
    return math.fsum(map(math.exp, logs))
