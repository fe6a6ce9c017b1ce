"""A labelled split of a data set as an artifact, for /evaluate and for load that knows the truth."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.splits import DATA_FILE, Split, SplitCard, SplitError, write_split
from training.datasets import DATASETS, facts_of, load_split
from training.own import store


def export_split(dataset: str, split: str, root: Path) -> tuple[SplitCard, Path]:
    """Write `root/splits/<dataset>-<split>`, with the data set's own facts in its card.

    Own data is meant by its name, as it was prepared last, or by its address. ValueError for an unknown data set or
    split, MissingDataset where its files are not here.
    """
    if dataset not in DATASETS and not store.is_own(dataset):
        prepared = {facts.name: facts.dataset for facts in reversed(store.stored())}
        if dataset not in prepared:
            raise ValueError(f"unknown data set {dataset!r}; known are {', '.join([*DATASETS, *prepared])}")
        dataset = prepared[dataset]
    data, facts = load_split(dataset, split), facts_of(dataset)
    return labelled_split(
        root / "splits" / f"{store.public_name(dataset)}-{split}", data.images, data.labels,
        dataset=store.public_name(dataset), split=split, classes=facts.classes, licence=facts.licence,
        careful=store.is_own(dataset),
    )


def labelled_split(
    folder: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], *, dataset: str, split: str,
    classes: Sequence[str], licence: str, careful: bool,
) -> tuple[SplitCard, Path]:
    """Write a split into `folder`; when `careful`, ValueError where that holds other images already."""
    kept = labels.astype("uint8" if len(classes) <= 256 else "int64")
    if careful and (there := _read(folder)) is not None:
        if there.card.classes != tuple(classes) or _content(*there.load()) != _content(images, labels):
            raise ValueError(
                f"{folder} holds other images or classes, and cards that were scored on them refer to it; give your "
                "data another name, or put its models under another --to"
            )
        return there.card, folder
    card = write_split(folder, images, kept, dataset=dataset, split=split, classes=classes, licence=licence)
    return card, folder


def _content(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Counter[tuple[int, bytes]]:
    """What a split holds, whatever its order."""
    return Counter((label, hashlib.sha256(image.tobytes()).digest())
                   for image, label in zip(images, labels.tolist(), strict=True))


def _read(folder: Path) -> Split | None:
    try:
        return Split.find(folder) if (folder / DATA_FILE).is_file() else None
    except SplitError:
        return None
