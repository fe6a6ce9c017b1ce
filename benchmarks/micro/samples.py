"""The images that the micro-benchmarks run on: the first ones of the split that fits a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import Contender, NothingToWeighError, find_split

BATCHES = (1, 8, 32)


@dataclass(frozen=True)
class Sample:
    """Images that some contender takes, and their shape as a word."""

    images: NDArray[np.uint8]   # (32, height, width, channels)
    shape: str                  # "28x28x1"


def sample_for(root: Path, contender: Contender) -> Sample:
    """The first images of the split that fits a contender; seeded noise where none is there."""
    shape = contender.card.input.shape
    try:
        images = find_split(root, contender.card).load(max(BATCHES))[0]
    except NothingToWeighError:
        images = np.random.default_rng(0).integers(0, 256, (max(BATCHES), *shape), dtype=np.uint8)
    return Sample(images, "x".join(map(str, shape)))
