"""The request bodies of a run: encoded once, stored in its folder, and everything about them noted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from benchmarks.comparison.contenders import Contender, find_split
from benchmarks.load.payloads import digest, encode, write_payloads

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
    split = find_split(Path(asked.root), contender.card)
    path = run.folder / f"payloads-{split.card.name}-{asked.body}.npz"
    if not path.exists():
        images, labels = split.load()
        payloads = encode(asked.body, images, labels, limit=MOST_BODIES, seed=asked.seed)
        kept = split.card.model_dump(mode="json", include={"name", "dataset", "split", "count", "sha256", "licence"})
        about = kept | {"body": asked.body, "bodies": len(payloads), "payloads_sha256": digest(payloads)}
        run.note(datasets={**run.facts.get("datasets", {}), split.card.name: about})
        write_payloads(path, payloads)  # last: where it is, everything about it is noted
    return path
