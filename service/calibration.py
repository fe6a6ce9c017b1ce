"""Whether a model is as often right as it is sure: the reliability curve and its summary. numpy only.

Images are put into BINS bins of equal width by the probability of the predicted class; bin i holds those in
(i / BINS, (i + 1) / BINS], the first its lower end too. The expected calibration error is the mean over images of
|accuracy - confidence| of their bin (Naeini, Cooper and Hauskrecht, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Images whose confidence lies in (low, high]; `accuracy` and `confidence` are None where there are none."""

    low: float
    high: float
    count: int
    accuracy: float | None
    confidence: float | None


def reliability(probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> list[Bin]:
    """The curve, one entry per bin."""
    confidence = probabilities.max(axis=1).astype(np.float64).clip(max=1)  # a float32 softmax may end at 1 + 1e-7
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)
    counts = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return [
        Bin(float(edges[i]), float(edges[i + 1]), int(counts[i]), float(hits[i] / counts[i]) if counts[i] else None,
            float(sums[i] / counts[i]) if counts[i] else None)
        for i in range(bins)
    ]


def expected_error(curve: list[Bin]) -> float:
    """The expected calibration error, 0 to 1."""
    total = sum(each.count for each in curve)
    return sum(
        each.count / total * abs(each.accuracy - each.confidence)
        for each in curve if each.accuracy is not None and each.confidence is not None
    )
