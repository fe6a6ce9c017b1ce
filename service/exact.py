"""Sums of floats without rounding, so that the order and the grouping of the parts do not matter.

A float64 is a whole number of units of 2**-1127 (the smallest needs 2**-1074; the rest keeps every shift to the left),
and whole numbers of any size are exact in Python. Rounding happens once, when a mean is taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIT_BITS = 1127
MANTISSA_BITS = 53
HALF_BITS = 26  # halves of the mantissas of up to 2**36 values add up within int64
HALF = (1 << HALF_BITS) - 1


def exact_sum(values: NDArray[np.float64]) -> int:
    """The sum of finite `values`, in units of 2**-UNIT_BITS."""
    mantissas, exponents = np.frexp(values)
    whole = (mantissas * 2.0**MANTISSA_BITS).astype(np.int64)
    total = 0
    for exponent in np.unique(exponents).tolist():
        part = whole[exponents == exponent]
        both = (int((part >> HALF_BITS).sum()) << HALF_BITS) + int((part & HALF).sum())
        total += both << (exponent - MANTISSA_BITS + UNIT_BITS)
    return total


def exact_mean(total: int, count: int) -> float:
    """The float nearest to the mean of `count` values with this sum."""
    return total / (count << UNIT_BITS)
