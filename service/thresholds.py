"""What a confidence cascade of two models would do on a labelled split, threshold by threshold.

    python -m service cascade SMALL LARGE SPLIT

Accuracy and cost are those of the images at hand, so the split must be one that neither trained the models nor will
judge them: a threshold chosen on the test split makes its accuracy there look better than it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.problems import Problem
from service.routing import differ
from service.settings import Settings
from service.shelf import Opened, Shelf
from service.splits import find_splits

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 1.0)
BATCH = 256
NOTE = "Choose on a validation split: a threshold chosen on the test split flatters its accuracy there."


def cascade_table(small: str, large: str, split: str, settings: Settings) -> str:
    """One line per threshold as a Markdown table; ValueError for what cannot be compared."""
    splits, _ = find_splits(settings.models)
    if split not in splits:
        raise ValueError(f"there is no split {split!r}; use one of {', '.join(splits) or 'none: there is no split'}")
    shelf = Shelf(settings)
    shelf.load()
    try:
        one, other = (shelf.open(shelf.find(name), None) for name in (small, large))
    except Problem as problem:
        raise ValueError(problem.detail) from problem
    if mismatch := differ(one, other):
        raise ValueError(mismatch)
    images, labels = splits[split].load()
    if images.shape[1:] != one.card.input.shape or splits[split].card.classes != one.card.classes:
        raise ValueError(f"{split} does not have the images and classes of {one.card.id}")
    rows = _rows(_answers(one, images), _answers(other, images), labels, one.image_s / other.image_s)
    head = f"| threshold | accuracy | by {one.card.id} | cost / {other.card.id} alone |\n|---:|---:|---:|---:|"
    return "\n".join([head, *rows, "", NOTE])


def _answers(opened: Opened, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.concatenate([opened.run(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def _rows(
    small: NDArray[np.float32], large: NDArray[np.float32], labels: NDArray[np.int64], cost: float,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Iterator[str]:
    """`cost` is what an image takes in the small model, in units of the large one."""
    for threshold in thresholds:
        sure = small.max(axis=1) >= threshold
        right = np.where(sure, small.argmax(axis=1), large.argmax(axis=1)) == labels
        yield f"| {threshold:g} | {right.mean():.2%} | {sure.mean():.1%} | {cost + 1 - sure.mean():.2f} |"
