"""The accuracy that goes on the card: the exported file, through the runtime that serves it, over a whole split."""

from __future__ import annotations

import numpy as np

from service.card import Score
from service.runtimes import Runtime
from service.scoring import wilson
from training.datasets import Split, load_split
from training.own.store import public_name
from training.passes import at_once

BATCH = 250  # images in one call, at most


def measure_accuracy(runtime: Runtime, *, dataset: str, split: str) -> Score:
    """Top-1 accuracy of an opened model on every image of a split, with its 95 % Wilson interval."""
    return score_split(runtime, load_split(dataset, split), dataset=public_name(dataset), split=split)


def score_split(runtime: Runtime, data: Split, *, dataset: str, split: str) -> Score:
    """The same, on images that are here already."""
    correct, each = 0, at_once(BATCH, *data.images.shape[1:3])
    for start in range(0, len(data.images), each):
        answers = runtime(data.images[start : start + each]).argmax(axis=1)
        correct += int(np.count_nonzero(answers == data.labels[start : start + each]))
    count = len(data.labels)
    low, high = wilson(correct, count)
    return Score(
        dataset=dataset,
        split=split,
        split_sha256=data.sha256,
        count=count,
        correct=correct,
        accuracy=correct / count,
        low=low,
        high=high,
        runtime=f"{runtime.name} {runtime.version}",
    )
