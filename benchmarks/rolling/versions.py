"""Two versions of one model that answer differently, so that an answer shows which of them gave it.

Version 1 is a bundled model as it is. Version 2 carries its name and the files of another one.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.payloads import png
from service.card import read_card, write_card
from service.runtimes.ort import open_model
from service.splits import FOLDER, Split

NAME, OTHER = "fm000-tinyvgg", "fm-fast"
SPLIT = "fashion-mnist-test"
BATCH = 64


@dataclass(frozen=True)
class Question:
    """A PNG and what each version has to answer: the most probable class, and how probable it is."""

    body: bytes
    answers: dict[int, tuple[int, float]]


def write_versions(models: Path, folder: Path) -> tuple[Path, Path]:
    """Model roots before and after: the first has version 1, the second also version 2."""
    before, after = folder / "before", folder / "after"
    for root in (before, after):
        shutil.copytree(models / NAME / "1", root / NAME / "1")
    new = after / NAME / "2"
    shutil.copytree(models / OTHER / "1", new, ignore=shutil.ignore_patterns("card.json"))
    write_card(new, read_card(models / OTHER / "1").model_copy(update={"name": NAME, "version": 2}))
    return before, after


def write_questions(models: Path, after: Path, count: int, seed: int) -> list[Question]:
    """`count` images of the split, drawn by `seed`, that the two versions answer differently."""
    images = Split.find(models / FOLDER / SPLIT).load()[0]
    chosen = images[np.random.default_rng(seed).permutation(len(images))[:count]]
    told = {version: _answers(after / NAME / str(version) / "model.onnx", chosen) for version in (1, 2)}
    return [Question(png(image), {version: given[place] for version, given in told.items()})
            for place, image in enumerate(chosen) if _differ(told[1][place], told[2][place])]


def _answers(path: Path, images: NDArray[np.uint8]) -> list[tuple[int, float]]:
    session = open_model(path, device="cpu", threads=1)
    rows = np.concatenate([session(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])
    return [(int(row.argmax()), float(row.max())) for row in rows]


def _differ(one: tuple[int, float], other: tuple[int, float]) -> bool:
    return one[0] != other[0] or abs(one[1] - other[1]) > 3 * TOLERANCE


TOLERANCE = 1e-3  # of a probability, between a call of one image and a call of many
