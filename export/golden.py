"""Golden vectors: images and the eager network's answers, repeated by every server before it calls a model ready.

The images come from the training split, so that no file of an artifact leaks the test set into a start-up check;
the last two are all-black and all-white.
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


def write_golden(
    folder: Path, eager: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8]
) -> Golden:
    """Write golden.npz into `folder` from the first images of `images` (uint8, NHWC) and return its card entry."""
    chosen = images[:COUNT].copy()
    chosen[-2], chosen[-1] = 0, 255
    np.savez_compressed(folder / FILE, images=chosen, probabilities=eager(chosen))
    return Golden(path=FILE, sha256=sha256_of(folder / FILE), count=len(chosen), tolerance=TOLERANCE)
