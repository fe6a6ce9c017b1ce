"""CIFAR-10 as its author publishes it: Python pickles (what torchvision unpacks) or binary records.

Both hold planes of red, green, blue (3072 bytes an image); we return (N, 32, 32, 3). The pickles are opened by an
unpickler that can make numpy arrays and nothing else, because a pickle is a program and this one was downloaded.
Krizhevsky: "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.readers import Arrays

BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
PIXELS = 3 * 32 * 32
# What an array pickled by numpy 1 or 2 names. Everything else is refused.
ALLOWED = {
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


def read(place: Path, split: str, classes: tuple[str, ...]) -> Arrays | None:  # noqa: ARG001 - labels are numbers here
    """All batches of `split` in the folder `place`, whichever of the two layouts it holds."""
    pickles = [place / name for name in BATCHES[split]]
    if all(path.is_file() for path in pickles):
        return _join([_read_pickle(path) for path in pickles])
    binaries = [path.with_suffix(".bin") for path in pickles]
    if all(path.is_file() for path in binaries):
        return _join([_read_binary(path) for path in binaries])
    return None


def _join(batches: list[Arrays]) -> Arrays:
    images = np.concatenate([images for images, _ in batches])
    return images, np.concatenate([labels for _, labels in batches])


def _read_binary(path: Path) -> Arrays:
    data = np.frombuffer(path.read_bytes(), np.uint8)
    if len(data) == 0 or len(data) % (1 + PIXELS):
        raise ValueError(f"{path}: {len(data)} bytes are not whole records of {1 + PIXELS}; get it again")
    records = data.reshape(-1, 1 + PIXELS)
    return _to_images(records[:, 1:]), records[:, 0].astype(np.int64)


def _read_pickle(path: Path) -> Arrays:
    try:
        batch = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        pixels, labels = batch[b"data"], batch[b"labels"]
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), PIXELS):
            raise ValueError(f"data is {pixels.dtype} {pixels.shape} for {len(labels)} labels")
    except Exception as error:
        raise ValueError(f"{path}: not a CIFAR-10 batch ({error}); get it again") from error
    return _to_images(pixels), np.asarray(labels, np.int64)


def _to_images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)
