"""A labelled split of a data set as an artifact, for /evaluate and for load that knows the truth."""

from __future__ import annotations

from pathlib import Path

from service.splits import SplitCard, write_split
from training.datasets import DATASETS, load_split


def export_split(dataset: str, split: str, root: Path) -> tuple[SplitCard, Path]:
    """Write `root/splits/<dataset>-<split>`, with the data set's own facts in its card.

    ValueError for an unknown data set or split, MissingDataset where its files are not here.
    """
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}; known are {', '.join(DATASETS)}")
    data, facts = load_split(dataset, split), DATASETS[dataset]
    folder = root / "splits" / f"{dataset}-{split}"
    card = write_split(
        folder, data.images, data.labels.astype("uint8"),
        dataset=dataset, split=split, classes=facts.classes, licence=facts.licence,
    )
    return card, folder
