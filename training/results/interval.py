"""How far a figure can be trusted: intervals over seeds and over test images. All at 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

Z = NormalDist().inv_cdf(0.975)
# Student's t, two-sided 95 %, for 1 to 10 degrees of freedom; the expansion below is good from there on.
T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def t_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t; ValueError below one degree of freedom."""
    if degrees < 1:
        raise ValueError("one value alone has no spread")
    if degrees <= len(T):
        return T[degrees - 1]
    z = Z  # Abramowitz and Stegun, 26.7.5
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(float(term / degrees**power) for power, term in enumerate(terms, 1))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the mean over all seeds lies, from those that were run (two or more)."""
    half = t_quantile(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def next_run(values: Sequence[float]) -> float:
    """Half the width of the interval in which one more run will lie: a prediction interval, from two or more runs."""
    return t_quantile(len(values) - 1) * stdev(values) * math.sqrt(1 + 1 / len(values))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval for a share seen on `count` images: what other test images would give."""
    spread = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 / (1 + Z**2 / count)
    middle = share + Z**2 / (2 * count)
    return max(0.0, scale * (middle - spread)), min(1.0, scale * (middle + spread))
