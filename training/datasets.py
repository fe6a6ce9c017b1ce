"""The data sets: facts, and where their files are looked for. Numpy only; torch-free.

    load_split("fashion-mnist", "test")   -> Split(images uint8 (10000, 28, 28, 1), labels int64 (10000,), sha256)

Files are searched in `$WEIGHBRIDGE_DATA`, then where Debian installs them, then in ./data. Nothing is downloaded
here: `python -m training --download NAME` does that when asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.own import store
from training.places import data_folder
from training.readers import Arrays, cifar, idx, jpeg

SPLITS = ("train", "test")
DEBIAN = Path("/usr/share/datasets")


class MissingDataset(LookupError):  # noqa: N818 - reads as what it says
    """No file of a data set was found. The message says where they were looked for and how to get them."""


@dataclass(frozen=True)
class Split:
    """One split in memory: `images` uint8 (N, H, W, C), `labels` int64 (N,), `sha256` of both as bytes, in order."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is known about a data set without opening it. `mean` and `std` are of the train split, pixels in 0..1."""

    height: int
    width: int
    channels: Literal[1, 3]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sizes: dict[str, int]                                       # images per split
    licence: str
    shareable: bool                                             # whether the licence lets us hand images on
    folders: tuple[str, ...]                                    # names its files are found under
    read: Callable[[Path, str, tuple[str, ...]], Arrays | None]  # (place, split, classes); None: not there
    ways: tuple[str, str, str]                                  # three ways to get it
    validation: int | None = None                               # the last images of train are held out; None: by seed

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return (self.height, self.width, self.channels)


FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

DATASETS: dict[str, Dataset] = {
    "fashion-mnist": Dataset(
        height=28, width=28, channels=1, classes=FASHION, mean=(0.2860,), std=(0.3530,),
        sizes={"train": 60_000, "test": 10_000}, licence="MIT", shareable=True,
        folders=("fashion-mnist", "FashionMNIST/raw"), read=idx.read,
        ways=(
            "python -m training --download fashion-mnist",
            "put the four IDX files (gzip or plain) into $WEIGHBRIDGE_DATA/fashion-mnist",
            "on Debian: apt install dataset-fashion-mnist",
        ),
    ),
    "cifar10": Dataset(
        height=32, width=32, channels=3, classes=CIFAR, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616),
        sizes={"train": 50_000, "test": 10_000}, licence="not stated; cite Krizhevsky 2009", shareable=False,
        folders=("cifar-10-batches-py", "cifar-10-batches-bin", "cifar10"), read=cifar.read,
        ways=(
            "python -m training --download cifar10",
            "unpack cifar-10-python.tar.gz or cifar-10-binary.tar.gz into $WEIGHBRIDGE_DATA",
            "put a copy as JPEG files into $WEIGHBRIDGE_DATA: it is used as the data set cifar10-jpeg",
        ),
    ),
    "cifar10-jpeg": Dataset(
        height=32, width=32, channels=3, classes=CIFAR, mean=(0.4913, 0.4821, 0.4465), std=(0.2452, 0.2428, 0.2606),
        sizes={"train": 50_000, "test": 10_000}, licence="not stated; cite Krizhevsky 2009", shareable=False,
        folders=("cifar10", "cifar10-jpeg", "cifar10-jpeg.zip", "cifar10/cifar10-jpeg.zip"), read=jpeg.read,
        ways=(
            "put cifar10-jpeg.zip (train/<class>/0001.jpg ...) into $WEIGHBRIDGE_DATA",
            "unpack it into $WEIGHBRIDGE_DATA/cifar10-jpeg",
            "use the original instead: python -m training --download cifar10",
        ),
    ),
}
# A copy whose pixels differ a little. A run on it carries the copy's name and its own fingerprint.
STAND_INS = {"cifar10": "cifar10-jpeg"}


def facts_of(dataset: str) -> Dataset:
    """What is known about a data set, or about own data by its address `name:digest`.

    MissingDataset when that was not prepared here, ValueError for a name that is neither.
    """
    if not store.is_own(dataset):
        if dataset not in DATASETS:
            raise ValueError(f"unknown data set {dataset!r}; known are {', '.join(DATASETS)}")
        return DATASETS[dataset]
    facts = store.read_facts(dataset)
    if facts is None:
        raise MissingDataset(store.missing(dataset))
    again = f"python -m training RECIPE --data {facts.source}"
    return Dataset(
        height=facts.height, width=facts.width, channels=facts.channels, classes=facts.classes, mean=facts.mean,
        std=facts.std, sizes={"train": facts.train + facts.validation, "test": facts.test},
        licence="not stated; own data", shareable=False, folders=(), read=lambda *_: None, ways=(again, again, again),
        validation=facts.validation,
    )


def load_split(dataset: str, split: str) -> Split:
    """Read `split` ("train" or "test") of `dataset`, which may be the address of own data.

    Raises MissingDataset when no file is found, and ValueError naming the file when one is damaged or the
    arrays do not have the data set's shape.
    """
    facts = facts_of(dataset)
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    if store.is_own(dataset):
        arrays = store.read_arrays(dataset, split)
        if arrays is None:
            raise MissingDataset(store.missing(dataset))
        return Split(*arrays, sha256=_sha256(*arrays))
    for place in _places(facts):
        found = facts.read(place, split, facts.classes)
        if found is None:
            continue
        images, labels = found
        if images.shape[1:] != facts.shape or len(images) != len(labels):
            raise ValueError(f"{place}: {dataset} {split} has images {images.shape} and {len(labels)} labels")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(facts.classes):
            raise ValueError(f"{place}: {dataset} {split} has labels outside 0..{len(facts.classes) - 1}")
        return Split(images, labels, _sha256(images, labels))
    raise MissingDataset(_missing(dataset, facts))


def available(dataset: str) -> bool:
    """Whether the data set can be read here, judged by its train split: nobody looks at a test split just to see."""
    try:
        load_split(dataset, "train")
    except MissingDataset:
        return False
    return True


def resolve(dataset: str) -> str:
    """`dataset`, or its stand-in when only that one is here."""
    other = STAND_INS.get(dataset)
    return other if other and not available(dataset) and available(other) else dataset


def _sha256(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    digest = hashlib.sha256(images.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def _roots() -> list[Path]:
    return list(dict.fromkeys((data_folder(), DEBIAN, Path("data"))))


def _places(facts: Dataset) -> Iterator[Path]:
    for root in _roots():
        for folder in facts.folders:
            if (root / folder).exists():
                yield root / folder
        yield root  # the variable may also point at the files themselves


def _missing(dataset: str, facts: Dataset) -> str:
    looked = ", ".join(str(root) for root in _roots())
    ways = "\n".join(f"  {number}. {way}" for number, way in enumerate(facts.ways, 1))
    ways = ways.replace("$WEIGHBRIDGE_DATA", str(data_folder()))
    return f"{dataset} is not here (looked in {looked}). Three ways to get it:\n{ways}"
