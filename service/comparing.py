"""Whether one model is really better than another on the same images, or only happened to be. No numpy needed.

Only the images on which exactly one of them is right say anything. McNemar's exact test asks how likely a split of
those at least as uneven would be if either model were as likely to be the right one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from service.scoring import Z95

EXACT = 20_000  # beyond so many, the sum of binomials is indistinguishable from its continuity-corrected normal limit


@dataclass(frozen=True)
class Difference:
    """`difference` is the accuracy of the first model minus that of the second, `low` and `high` its 95 % interval."""

    only_first: int
    only_second: int
    p_value: float
    difference: float
    low: float
    high: float


def compare(only_first: int, only_second: int, count: int) -> Difference:
    """From how many of `count` images only the first, and only the second model had right."""
    difference, low, high = paired_interval(only_first, only_second, count)
    return Difference(only_first, only_second, mcnemar(only_first, only_second), difference, low, high)


def mcnemar(first: int, second: int) -> float:
    """The two-sided p-value of McNemar's exact test: a binomial test of one half. 1 where the models never differ.

    >>> mcnemar(6, 0)
    0.03125
    """
    total, least = first + second, min(first, second)
    if first == second:
        return 1.0
    if total > EXACT:
        return math.erfc((abs(first - second) - 1) / math.sqrt(2 * total))
    term = tail = 1  # C(total, 0); whole numbers, so that nothing is rounded before the end
    for place in range(least):
        term = term * (total - place) // (place + 1)
        tail += term
    share: float = 2 * tail / 2**total
    return min(1.0, share)


def paired_interval(first: int, second: int, count: int, z: float = Z95) -> tuple[float, float, float]:
    """The difference of two accuracies on the same images and its interval (D. G. Bonett and R. M. Price, 2012).

    Wald's interval after one image more was given to each side, which keeps it honest for few images; cut at -1 and 1.
    """
    difference = (first - second) / count
    one, other = (first + 1) / (count + 2), (second + 1) / (count + 2)
    half = z * math.sqrt((one + other - (one - other) ** 2) / (count + 2))
    return difference, max(-1.0, one - other - half), min(1.0, one - other + half)
