"""What can be weighed: the models whose cards lie under a model root, and the labelled images that fit them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.card import CARD_FILE, ModelCard, is_version_folder, read_card

MODELS = Path("models")
SPLITS = "splits"


class NothingToWeighError(ValueError):
    """No model or no labelled images; the message says where they were looked for and the cure."""


@dataclass(frozen=True)
class Contender:
    """One version of one model, on disk."""

    folder: Path
    card: ModelCard

    @property
    def id(self) -> str:
        """`name@version`."""
        return self.card.id


@dataclass(frozen=True)
class Split:
    """Labelled images: uint8 (N, height, width, channels) and class numbers (N,)."""

    name: str
    classes: tuple[str, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sha256: str               # of the file that holds them

    def __len__(self) -> int:
        return len(self.labels)

    def fits(self, card: ModelCard) -> bool:
        """Whether a model takes these images and answers in these classes."""
        return self.images.shape[1:] == card.input.shape and self.classes == card.classes


def find_contenders(root: Path, globs: list[str]) -> list[Contender]:
    """The newest version of every model whose name matches one of `globs`, by name."""
    newest: dict[str, Contender] = {}
    for path in root.glob(f"*/*/{CARD_FILE}"):
        if not is_version_folder(path.parent):
            continue
        found = Contender(path.parent, read_card(path.parent))
        known = newest.get(found.card.name)
        if known is None or known.card.version < found.card.version:
            newest[found.card.name] = found
    if not newest:
        raise NothingToWeighError(f"no models under {root.resolve()}; export one with python -m export, or give --root")
    chosen = [newest[name] for name in sorted(newest) if any(fnmatchcase(name, glob) for glob in globs)]
    if not chosen:
        raise NothingToWeighError(f"no model matches {' '.join(globs)}; there are {', '.join(sorted(newest))}")
    return chosen


def read_split(folder: Path) -> Split:
    """The labelled split in `folder`: split.json and data.npz."""
    try:
        facts: dict[str, Any] = json.loads((folder / "split.json").read_bytes())
        stored = (folder / "data.npz").read_bytes()
    except OSError as error:
        raise NothingToWeighError(f"no labelled images in {folder}: {error}; python -m export writes them") from error
    with np.load(folder / "data.npz", allow_pickle=False) as data:
        return Split(
            name=folder.name,
            classes=tuple(facts["classes"]),
            images=data["images"],
            labels=data["labels"].astype(np.int64),
            sha256=hashlib.sha256(stored).hexdigest(),
        )


def find_split(root: Path, card: ModelCard) -> Split:
    """The bundled split for a model: the one its card was scored on, else any whose images and classes fit."""
    folders = sorted(path.parent for path in (root / SPLITS).glob("*/split.json"))
    scored = f"{card.score.dataset}-{card.score.split}" if card.score else ""
    for folder in sorted(folders, key=lambda folder: folder.name != scored):
        split = read_split(folder)
        if split.fits(card):
            return split
    raise NothingToWeighError(
        f"{card.id} takes {card.input.shape} images of {len(card.classes)} classes; no split in {root / SPLITS} fits"
    )
