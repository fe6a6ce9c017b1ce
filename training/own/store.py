"""What was prepared, on disk: `<runs>/.data/<name>-<digest>/{train.npz, test.npz, data.json}`; data.json comes last.

In train.npz the images to train on come first and the `validation` ones last. A data set is addressed as `name:digest`,
where the digest is of all pixels, labels and class names.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.atomic import write_atomically
from training.places import runs_folder

FILE = "data.json"
ADDRESS = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}):([0-9a-f]{8})")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is recorded of own data, in the run, the card and here. `mean` and `std` are of the images trained on."""

    name: str
    digest: str                      # eight hex digits
    height: int
    width: int
    channels: Literal[1, 3]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: int                       # images trained on
    validation: int
    test: int
    left_out: int                    # images of which another part has a copy
    resized: int                     # images of another size
    rules: dict[str, str]            # how sizes were made equal and how the parts were chosen
    source: str                      # the path it was read from
    stamp: str                       # of the names, sizes and times of its files

    @property
    def dataset(self) -> str:
        """`name:digest`."""
        return f"{self.name}:{self.digest}"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; without what is of this machine alone."""
        told = asdict(self)
        del told["source"], told["stamp"]
        return json.loads(json.dumps(told))  # type: ignore[no-any-return]  # tuples become the lists JSON has


def is_own(dataset: str) -> bool:
    """Whether this is the address of own data."""
    return ADDRESS.fullmatch(dataset) is not None


def public_name(dataset: str) -> str:
    """The name without the digest; other data sets' names as they are."""
    return dataset.partition(":")[0]


def write(facts: Facts, arrays: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]) -> Path:
    """Store the arrays of `train` and `test`, then the facts."""
    folder = _folder(facts.dataset)
    for split, (images, labels) in arrays.items():
        buffer = io.BytesIO()
        np.savez(buffer, images=images, labels=labels)
        write_atomically(folder / f"{split}.npz", buffer.getvalue())
    write_atomically(folder / FILE, json.dumps(asdict(facts), indent=1).encode() + b"\n")
    return folder


def read_facts(dataset: str) -> Facts | None:
    """The facts of `name:digest`, or None when it is not here, or is no such address."""
    if not is_own(dataset):
        return None
    return _facts(_folder(dataset) / FILE)


def read_arrays(dataset: str, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Images (n, h, w, c) and labels (n,) of `train` or `test`, or None when they are not here."""
    try:
        with np.load(_folder(dataset) / f"{split}.npz", allow_pickle=False) as stored:
            return stored["images"], stored["labels"]
    except FileNotFoundError:
        return None


def stored() -> list[Facts]:
    """Everything that was prepared, the newest first."""
    files = sorted(_root().glob(f"*/{FILE}"), key=lambda path: -path.stat().st_mtime_ns)
    return [facts for file in files if (facts := _facts(file)) is not None]


def digest_of(splits: dict[str, str], classes: tuple[str, ...]) -> str:
    """The eight hex digits for splits with these SHA-256."""
    return hashlib.sha256(json.dumps([splits, classes], sort_keys=True).encode()).hexdigest()[:8]


def missing(dataset: str) -> str:
    """What to do when it is not here."""
    name = public_name(dataset)
    return (f"{dataset} is own data and was not prepared under {_root()}; the command that trained on it prepares it "
            f"again: python -m training RECIPE --data PATH (the folder or file that was called {name})")


def _facts(path: Path) -> Facts | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    known: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
    return Facts(**known)


def _folder(dataset: str) -> Path:
    return _root() / dataset.replace(":", "-")


def _root() -> Path:
    return runs_folder() / ".data"
