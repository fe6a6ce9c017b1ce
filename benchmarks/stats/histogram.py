"""Microseconds in, percentiles out: HDR histograms with three significant digits, so 0.62 ms is never "1 ms".

A histogram of this kind is small, says the same at every scale, and histograms of several processes add up.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

DIGITS = 3
LONGEST = 10 * 60 * 1_000_000  # microseconds; no answer is waited for longer


def histogram(microseconds: NDArray[np.int64]) -> HdrHistogram:
    """All values in one histogram. Values below 1 us count as 1 us."""
    filled = HdrHistogram(1, LONGEST, DIGITS)
    values, counts = np.unique(np.clip(microseconds, 1, LONGEST), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        filled.record_value(value, count)
    return filled


def encoded(filled: HdrHistogram) -> str:
    """The histogram as text (HDR V2, compressed, base64), which any HdrHistogram library reads."""
    text: str = filled.encode().decode()
    return text


def percentiles(filled: HdrHistogram, wanted: Iterable[float] = (50, 90, 99)) -> dict[str, float]:
    """`{"p50": microseconds, ...}`; at most 0.1 % above the exact order statistic. Empty for an empty histogram."""
    if not filled.get_total_count():
        return {}
    return {f"p{percentile:g}": float(filled.get_value_at_percentile(percentile)) for percentile in wanted}
