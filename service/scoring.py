"""From probabilities and true labels to the figures people compare models by. numpy only; no model, no HTTP.

Conventions, tested against scikit-learn with the same ones:

    prediction   the most probable class; of equals, the first
    classes      all of the model's, in its order; a class nobody has counts in the macro average, as zeros
    zero         precision, recall and F1 are 0 where their denominator is 0
    weighted     by support, the number of images that really are of the class
    micro        over all decisions alike; with one prediction per image all three are the accuracy
    balanced     the mean recall of the classes that the labels have
    top k        the true class is among the k most probable; of equals, the first count
    Brier        mean over images of the squared distance to the one-hot truth, summed over classes: 0 to 2
    log loss     mean of -ln p(true class), with p clipped to [EPSILON, 1 - EPSILON] in float64
    interval     Wilson's, 95 %: it stays inside [0, 1] and is honest for accuracies near 1

Images may be counted in parts: tallies of parts, merged in any order, are the tally of the whole, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.exact import exact_mean, exact_sum

Z95 = 1.959963984540054  # the 97.5 % point of the normal distribution
TOP_K = (1, 2, 3, 5, 10)
EPSILON = float(np.finfo(np.float64).eps)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Averages:
    """Precision, recall and F1 over classes."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Scores:
    """`confusion[i, j]` counts images of class i that were taken for j; the per-class arrays have one entry each."""

    count: int
    correct: int
    accuracy: float
    low: float
    high: float
    confusion: NDArray[np.int64]
    precision: Floats
    recall: Floats
    f1: Floats
    support: NDArray[np.int64]
    macro: Averages
    micro: Averages
    weighted: Averages
    balanced: float
    top_k: dict[int, float]
    log_loss: float
    brier: float


@dataclass(frozen=True)
class Tally:
    """What is kept of scored images, whatever their number. Sums are exact, see service/exact.py.

    `ranked[k]` counts images whose true class is the k-th most probable, from 0; of equals, the first count.
    """

    confusion: NDArray[np.int64]
    ranked: NDArray[np.int64]
    log_loss: int
    brier: int

    @classmethod
    def of(cls, probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Tally:
        """Count `probabilities` (n, classes) against `labels` (n,), labels in range(classes)."""
        count, classes = probabilities.shape
        if labels.shape != (count,) or (count and (labels.min() < 0 or labels.max() >= classes)):
            raise ValueError(f"{labels.shape} labels do not fit probabilities {probabilities.shape}")
        cells = labels.astype(np.int64) * classes + probabilities.argmax(axis=1)
        return cls(
            np.bincount(cells, minlength=classes**2).reshape(classes, classes),
            np.bincount(_ranks(probabilities, labels), minlength=classes),
            exact_sum(_losses(probabilities, labels)),
            exact_sum(_distances(probabilities, labels)),
        )

    def __add__(self, other: Tally) -> Tally:
        """The tally of both parts."""
        return Tally(self.confusion + other.confusion, self.ranked + other.ranked, self.log_loss + other.log_loss,
                     self.brier + other.brier)

    def scores(self) -> Scores:
        """All figures; ValueError where nothing was counted."""
        confusion, classes, count = self.confusion, len(self.confusion), int(self.confusion.sum())
        if count == 0:
            raise ValueError("there is no image to score")
        hits, support, claimed = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
        precision, recall = _ratio(hits, claimed), _ratio(hits, support)
        f1 = _ratio(2 * hits, support + claimed)
        correct = int(hits.sum())
        low, high = wilson(correct, count)
        return Scores(
            count=count,
            correct=correct,
            accuracy=correct / count,
            low=low,
            high=high,
            confusion=confusion,
            precision=precision,
            recall=recall,
            f1=f1,
            support=support,
            macro=Averages(float(precision.mean()), float(recall.mean()), float(f1.mean())),
            micro=Averages(*[correct / count] * 3),
            weighted=Averages(*(float(np.average(each, weights=support)) for each in (precision, recall, f1))),
            balanced=float(recall[support > 0].mean()),
            top_k={k: int(self.ranked[:k].sum()) / count for k in TOP_K if k < classes},
            log_loss=exact_mean(self.log_loss, count),
            brier=exact_mean(self.brier, count),
        )


def score(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Scores:
    """Score `probabilities` (n, classes) against `labels` (n,), n >= 1, labels in range(classes)."""
    if len(probabilities) == 0:
        raise ValueError(f"{labels.shape} labels do not fit probabilities {probabilities.shape}")
    return Tally.of(probabilities, labels).scores()


def top_k(probabilities: NDArray[np.floating], labels: NDArray[np.integer], k: int) -> float:
    """The share of images whose true class is among the `k` most probable."""
    return float((_ranks(probabilities, labels) < k).mean())


def _losses(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses: Floats = -np.log(of_truth.clip(EPSILON, 1 - EPSILON))
    return losses


def _ranks(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.int64]:
    of_truth = probabilities[np.arange(len(labels)), labels][:, np.newaxis]
    before = np.arange(probabilities.shape[1]) < labels[:, np.newaxis]
    ranks: NDArray[np.int64] = ((probabilities > of_truth) | ((probabilities == of_truth) & before)).sum(axis=1)
    return ranks


def _distances(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Floats:
    distance = probabilities.astype(np.float64)
    distance[np.arange(len(labels)), labels] -= 1
    distances: Floats = (distance**2).sum(axis=1)
    return distances


def wilson(correct: int, count: int, z: float = Z95) -> tuple[float, float]:
    """The Wilson score interval of a proportion (E. B. Wilson, 1927)."""
    share = correct / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # At the ends the bound is exact, and rounding must not push it past the share itself.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == count else centre + half)


def _ratio(top: NDArray[np.integer], bottom: NDArray[np.integer]) -> Floats:
    quotients: Floats = np.divide(top, bottom, out=np.zeros(len(top)), where=bottom != 0)
    return quotients
