"""Labelled images that /evaluate scores models on, as an artifact: `<root>/splits/<name>/{split.json, data.npz}`.

`data.npz` holds `images` uint8 (count, height, width, channels) and `labels` uint8 or int64 (count,), indices into
`classes`. `split.json` is written last and carries the hash, so its presence means that the rest is complete.
"splits" is a reserved folder name: no model is looked for there.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.card import Name, Sha256, sha256_of, write_atomically

FOLDER = "splits"
SPLIT_FILE = "split.json"
DATA_FILE = "data.npz"


class SplitError(ValueError):
    """A split cannot be trusted. The message says which and why."""


class SplitCard(BaseModel):
    """What `split.json` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: Name
    dataset: str
    split: str
    classes: tuple[str, ...] = Field(min_length=2)
    count: int = Field(ge=1)
    shape: tuple[int, int, int]  # height, width, channels
    sha256: Sha256               # of data.npz
    licence: str


@dataclass(frozen=True)
class Split:
    """A split whose hash was checked. The images stay on disk until somebody scores them."""

    card: SplitCard
    folder: Path

    @classmethod
    def find(cls, folder: Path) -> Self:
        """Read `folder/split.json` and check the data's hash; SplitError says what is wrong."""
        try:
            card = SplitCard.model_validate(json.loads((folder / SPLIT_FILE).read_bytes()))
            found = sha256_of(folder / DATA_FILE)
        except ValidationError as error:
            reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise SplitError(f"{folder / SPLIT_FILE}: {reasons}") from error
        except (OSError, ValueError) as error:
            raise SplitError(f"{folder}: unreadable: {error}") from error
        if card.name != folder.name:
            raise SplitError(f"{folder / SPLIT_FILE}: says {card.name!r} but lies in {folder.name}")
        if found != card.sha256:
            raise SplitError(f"{card.name}: {DATA_FILE} has SHA-256 {found[:12]}…, its card says {card.sha256[:12]}…")
        return cls(card, folder)

    def load(self, limit: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images uint8 (n, height, width, channels) and labels int64 (n,); the first `limit` of them."""
        images, labels = _arrays(self)
        return images[:limit], labels[:limit]


@lru_cache(maxsize=2)  # taking the file apart costs more than scoring a small model on it
def _arrays(split: Split) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with np.load(split.folder / DATA_FILE, allow_pickle=False) as data:
        images, labels = data["images"], data["labels"].astype(np.int64)
    problem = _inconsistent(images, labels, split.card)
    if problem:
        raise SplitError(f"{split.card.name}: {problem}")
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def find_splits(roots: Sequence[Path]) -> tuple[dict[str, Split], list[str]]:
    """Every usable split under the roots by name, the first root winning, and why the others are not usable."""
    found: dict[str, Split] = {}
    problems: list[str] = []
    for root in roots:
        for folder in sorted((root / FOLDER).glob("*/")):
            try:
                split = Split.find(folder)
                found.setdefault(split.card.name, split)
            except SplitError as error:
                problems.append(str(error))
    return found, problems


def write_split(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    *,
    dataset: str,
    split: str,
    classes: Sequence[str],
    licence: str,
) -> SplitCard:
    """Write `folder/data.npz` (compressed) and then `folder/split.json`; the split is named like its folder.

    The bytes of data.npz follow from the arrays alone, so writing the same split twice gives the same hash.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images, labels=labels)
    card = SplitCard(
        name=folder.name,
        dataset=dataset,
        split=split,
        classes=tuple(classes),
        count=len(images),
        shape=images.shape[1:],
        sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
        licence=licence,
    )
    problem = _inconsistent(images, labels, card)
    if problem:
        raise SplitError(f"{card.name}: {problem}")
    write_atomically(folder / DATA_FILE, buffer.getvalue())
    write_atomically(folder / SPLIT_FILE, card.model_dump_json(indent=2).encode() + b"\n")
    return card


def _inconsistent(images: NDArray[Any], labels: NDArray[Any], card: SplitCard) -> str | None:
    """What is wrong with the arrays of a split, or None."""
    if images.dtype != np.uint8 or images.shape != (card.count, *card.shape):
        return f"images are {images.dtype} {images.shape}, the card says uint8 {(card.count, *card.shape)}"
    if labels.shape != (card.count,) or labels.dtype.kind not in "iu":
        return f"labels are {labels.dtype} {labels.shape}, the card says integers ({card.count},)"
    if labels.min() < 0 or labels.max() >= len(card.classes):
        return f"labels run from {labels.min()} to {labels.max()}, the card has {len(card.classes)} classes"
    return None
