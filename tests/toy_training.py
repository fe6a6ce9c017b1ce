"""Toy material: images whose class is the row that glows, as IDX files, and a recipe that learns them in a blink."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from training.execution import Execution
from training.recipe import Normalization, Recipe

TRAIN, TEST = 600, 100


def _toy_split(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, 28, 28) with noise below 100 and two rows of 100 more at twice the label."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = random.integers(0, 100, (count, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 100
    return images, labels


def _idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """The array as an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def _write_fashion(folder: Path, *, train: int = TRAIN, test: int = TEST, compressed: bool = True) -> Path:
    """The four files of Fashion-MNIST with toy content."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, count, seed in (("train", train, 0), ("t10k", test, 1)):
        images, labels = _toy_split(count, seed)
        for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
            data = _idx_bytes(array)
            path = folder / (f"{name}.gz" if compressed else name)
            path.write_bytes(gzip.compress(data, 1) if compressed else data)
    return folder


@pytest.fixture
def idx_bytes() -> Callable[[NDArray[np.uint8]], bytes]:
    return _idx_bytes


@pytest.fixture
def write_fashion() -> Callable[..., Path]:
    return _write_fashion


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; nothing else is searched."""
    root = tmp_path / "data-root"
    root.mkdir()
    monkeypatch.setenv("WEIGHBRIDGE_DATA", str(root))
    monkeypatch.setenv("WEIGHBRIDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WEIGHBRIDGE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("training.datasets.DEBIAN", tmp_path / "not-debian")
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def toy_data(data_root: Path) -> Path:
    """The data folder with toy Fashion-MNIST in it: 600 and 100 images."""
    _write_fashion(data_root / "fashion-mnist")
    return data_root


@pytest.fixture
def recipe() -> Recipe:
    """Everything whose state a resumed run needs: dropout, batch norm, Adam, averaging, plateau, augmentation."""
    return Recipe(
        name="toy",
        description="a small network with every kind of state",
        dataset="fashion-mnist",
        architecture="mlp",
        shape={"hidden": (32,), "activation": "relu", "batch_norm": True, "dropout": 0.1},
        normalization=Normalization((0.5,), (0.25,)),
        epochs=4,
        batch_size=64,
        optimizer="adam",
        lr=3e-3,
        schedule="plateau",
        schedule_options={"patience": 0, "threshold": 0.5, "factor": 0.5},
        ema=0.9,
        augment={"alternating-flip": {}, "erase": {"probability": 0.2}},
        validation=100,
        floor=0.5,
    )


@pytest.fixture
def execution() -> Execution:
    return Execution(device="cpu", precision="fp32", channels_last=False, fused=True, threads=1)
