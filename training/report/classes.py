"""Precision, recall and F1 of each class, from a confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple


class ClassScore(NamedTuple):
    """Shares in 0..1. `precision` is not a number for a class that was never answered, `recall` for an absent one."""

    precision: float
    recall: float
    f1: float
    images: int


def square(flat: Sequence[int]) -> list[list[int]]:
    """A matrix from its numbers row by row."""
    size = math.isqrt(len(flat))
    return [list(flat[row * size : (row + 1) * size]) for row in range(size)]


def added(seeds: Sequence[dict[str, Any]], side: str) -> list[list[int]]:
    """The confusion matrices of all seeds on `train` or `test`, added up; [true][answered]."""
    matrices = [kept["confusion"][side] for kept in seeds]
    return square([sum(counts) for counts in zip(*matrices, strict=True)])


def per_class(confusion: Sequence[Sequence[int]]) -> list[ClassScore]:
    """One score per class of a matrix [true][answered]."""
    scores = []
    for number, row in enumerate(confusion):
        right, true, answered = row[number], sum(row), sum(other[number] for other in confusion)
        precision = right / answered if answered else math.nan
        recall = right / true if true else math.nan
        f1 = 2 * right / (true + answered) if true + answered else math.nan
        scores.append(ClassScore(precision, recall, f1, true))
    return scores
