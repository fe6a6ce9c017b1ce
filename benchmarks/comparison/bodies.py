"""The request bodies of a run: encoded once, stored in its folder, and everything about them noted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import Contender, find_split
from benchmarks.load.payloads import Payloads, digest, encode, write_payloads
from service.splits import Split

MOST_BODIES = 10_000


class Asked(Protocol):
    """What of a question matters here."""

    @property
    def root(self) -> str:
        """Folder of models and splits."""
        ...

    @property
    def body(self) -> str:
        """How images travel."""
        ...

    @property
    def seed(self) -> int:
        """Of the order of images."""
        ...


class Noted(Protocol):
    """A run on disk."""

    @property
    def folder(self) -> Path:
        """Where it lies."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What is noted of it."""
        ...

    def note(self, **facts: Any) -> None:
        """Add to it."""
        ...


def store_bodies(run: Noted, contender: Contender, asked: Asked) -> Path:
    """The bodies of the split that fits a contender, encoded when they are not there yet."""
    def made(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Payloads:
        return encode(asked.body, images, labels, limit=MOST_BODIES, seed=asked.seed)

    return store_split(run, find_split(Path(asked.root), contender.card), asked.body, made)


def store_split(
    run: Noted, split: Split, body: str, made: Callable[[NDArray[np.uint8], NDArray[np.int64]], Payloads]
) -> Path:
    """The bodies that `made` makes of a split's images and labels; `body` says how images travel in them."""
    path = run.folder / f"payloads-{split.card.name}-{body}.npz"
    if not path.exists():
        payloads = made(*split.load())
        kept = split.card.model_dump(mode="json", include={"name", "dataset", "split", "count", "sha256", "licence"})
        about = kept | {"body": body, "bodies": len(payloads), "payloads_sha256": digest(payloads)}
        run.note(datasets={**run.facts.get("datasets", {}), split.card.name: about})
        write_payloads(path, payloads)  # last: where it is, everything about it is noted
    return path
