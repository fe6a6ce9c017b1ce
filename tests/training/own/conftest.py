"""The toy material of tests/toy_training.py, and images of one's own, as fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_training import data_root, execution, recipe

__all__ = ["data_root", "execution", "recipe"]


def _draw(label: int, seed: int, size: tuple[int, int] = (12, 12), channels: int = 1) -> Image.Image:
    """Noise with a bright column whose place is the label."""
    pixels = np.random.default_rng(seed).integers(0, 100, (*size, channels), dtype=np.uint8)
    pixels[:, 3 * label : 3 * label + 2] += 120
    return Image.fromarray(pixels if channels == 3 else pixels[..., 0])


@pytest.fixture
def draw() -> Callable[..., Image.Image]:
    return _draw


@pytest.fixture
def shapes(data_root: Path, tmp_path: Path) -> Path:
    """A folder of three class folders, 30 grey images of 12x12 each."""
    for label in range(3):
        folder = tmp_path / "Bright Columns" / f"column {label}"
        folder.mkdir(parents=True)
        for place in range(30):
            _draw(label, 100 * label + place).save(folder / f"{place}.png")
    return tmp_path / "Bright Columns"
