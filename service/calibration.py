"""Whether a model is as often right as it is sure: the reliability curve and its summary. numpy only.

Images are put into BINS bins of equal width by the probability of the predicted class; bin i holds those in
(i / BINS, (i + 1) / BINS], the first its lower end too. The expected calibration error is the mean over images of
|accuracy - confidence| of their bin (Naeini, Cooper and Hauskrecht, 2015).

Images may be counted in parts: bins of parts, merged in any order, are the bins of the whole, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.exact import exact_mean, exact_sum

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Images whose confidence lies in (low, high]; `accuracy` and `confidence` are None where there are none."""

    low: float
    high: float
    count: int
    accuracy: float | None
    confidence: float | None


@dataclass(frozen=True)
class Filled:
    """What is kept of images in each bin: how many, how many right, and the exact sum of their confidences."""

    counts: NDArray[np.int64]
    hits: NDArray[np.int64]
    sums: tuple[int, ...]

    @classmethod
    def of(cls, probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> Filled:
        """Put images into `bins`."""
        confidence = probabilities.max(axis=1).astype(np.float64).clip(max=1)  # float32 softmax may end at 1 + 1e-7
        right = probabilities.argmax(axis=1) == labels
        place = np.searchsorted(np.linspace(0.0, 1.0, bins + 1)[1:-1], confidence)
        sums = tuple(exact_sum(confidence[place == i]) for i in range(bins))
        return cls(np.bincount(place, minlength=bins), np.bincount(place[right], minlength=bins), sums)

    def __add__(self, other: Filled) -> Filled:
        """Both parts."""
        sums = tuple(one + two for one, two in zip(self.sums, other.sums, strict=True))
        return Filled(self.counts + other.counts, self.hits + other.hits, sums)

    def curve(self) -> list[Bin]:
        """One entry per bin."""
        edges = np.linspace(0.0, 1.0, len(self.counts) + 1).tolist()
        return [
            Bin(edges[i], edges[i + 1], count, hits / count if count else None,
                exact_mean(self.sums[i], count) if count else None)
            for i, (count, hits) in enumerate(zip(self.counts.tolist(), self.hits.tolist(), strict=True))
        ]


def reliability(probabilities: NDArray[np.floating], labels: NDArray[np.integer], bins: int = BINS) -> list[Bin]:
    """The curve, one entry per bin."""
    return Filled.of(probabilities, labels, bins).curve()


def expected_error(curve: list[Bin]) -> float:
    """The expected calibration error, 0 to 1."""
    total = sum(each.count for each in curve)
    return sum(
        each.count / total * abs(each.accuracy - each.confidence)
        for each in curve if each.accuracy is not None and each.confidence is not None
    )
