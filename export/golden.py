"""Golden vectors: images and the eager network's answers, repeated by every server before it calls a model ready.

The images come from the training split, so that no file of an artifact leaks the test set into a start-up check; where
the data set's licence does not let us hand images on, they are coloured clouds instead. The last two are all-black and
all-white.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.card import Golden, sha256_of

FILE = "golden.npz"
COUNT = 64
# Wider than parity's: a server's CPU may round differently from the one that exported.
TOLERANCE = 1e-4


def clouds(count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Images uint8 (count, *shape) that belong to nobody: smooth noise of full contrast, the same ones every time."""
    height, width, channels = shape
    coarse = np.random.default_rng(0).uniform(size=(count, 6, 6, channels))
    for axis, size in ((1, height), (2, width)):
        at = np.linspace(0, 5, size)
        below = np.minimum(at.astype(int), 4)
        share = np.expand_dims(at - below, [other for other in range(4) if other != axis])
        coarse = (1 - share) * coarse.take(below, axis) + share * coarse.take(below + 1, axis)
    low, high = coarse.min(axis=(1, 2, 3), keepdims=True), coarse.max(axis=(1, 2, 3), keepdims=True)
    scaled: NDArray[np.uint8] = (255 * (coarse - low) / (high - low)).round().astype(np.uint8)
    return scaled


def write_golden(
    folder: Path, eager: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8],
    tolerance: float = TOLERANCE,
) -> Golden:
    """Write golden.npz into `folder` from the first images of `images` (uint8, NHWC) and return its card entry."""
    chosen = images[:COUNT].copy()
    chosen[-2], chosen[-1] = 0, 255
    np.savez_compressed(folder / FILE, images=chosen, probabilities=eager(chosen))
    return Golden(path=FILE, sha256=sha256_of(folder / FILE), count=len(chosen), tolerance=tolerance)
