"""Labelled images for /evaluate: a split of this server that fits the model, or what a request brought along."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.allowance import Allowance
from service.card import InputSpec, ModelCard
from service.fields import shorten
from service.gone import NEVER
from service.ingress import check_count, to_pixels
from service.predict import stack
from service.problems import Problem
from service.settings import Settings
from service.sources import Source
from service.sources.source import FIELD
from service.splits import Split, SplitError
from service.wire import SplitUsed

Splits = dict[str, Split]


class Material(Protocol):
    """Labelled images as one model takes them. `labels` are indices of its classes, int64 (n,)."""

    used: SplitUsed
    labels: NDArray[np.int64]

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Images start to stop (n, height, width, channels); Problem where one cannot be used."""
        ...

    def name(self, place: int) -> str | None:
        """The file an image came from."""
        ...


@dataclass
class Arrays:
    """Images that are pixels already."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    used: SplitUsed

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """A view."""
        return self.pixels[start:stop]

    def name(self, place: int) -> str | None:  # noqa: ARG002 - the protocol's signature
        """They have none."""
        return None


class Uploaded:
    """A source for one model: labels looked up among its classes, images decoded when they are asked for.

    All must be usable: a score over the readable ones would mislead. `look` is called before each is decoded, which may
    take long, and may raise.
    """

    def __init__(
        self, source: Source, card: ModelCard, settings: Settings, limit: int | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self.used = SplitUsed(name="uploaded")
        self._source, self._spec, self._settings, self._look = source, card.input, settings, look
        places = range(len(source) if limit is None else min(limit, len(source)))
        known: dict[Any, int] = {}
        found = []
        for place in places:
            label = source.labels[place]
            if label not in known:
                where = f"image {place}" if source.names is None else source.names[place]
                known[label] = index_of(label, f"{FIELD}: {where[:200]}", card)
            found.append(known[label])
        self.labels = np.array(found, dtype=np.int64)

    def images(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Decoded, and scaled where the server's policy scales."""
        stop = min(stop, len(self.labels))
        piece = self._source.read(start, stop)
        if isinstance(piece, np.ndarray):
            return _fitting(piece, self._spec)
        return np.stack([self._decoded(data, start + offset) for offset, data in enumerate(piece)])

    def name(self, place: int) -> str | None:
        """As it stands in the zip or the table."""
        return None if self._source.names is None else self._source.names[place]

    def _decoded(self, data: bytes, place: int) -> NDArray[np.uint8]:
        self._look()
        try:
            return to_pixels(data, self._spec, self._settings, self._settings.resize).pixels
        except Problem as problem:
            problem.field = FIELD
            problem.detail = f"{self.name(place) or f'image {place}'}: {problem.detail}"
            problem.args = (problem.detail,)
            raise


def _fitting(pixels: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.uint8]:
    shaped = pixels[..., np.newaxis] if pixels.ndim == 3 else pixels
    if shaped.shape[1:] != spec.shape:
        raise Problem(
            "wrong-shape", f"the images are {pixels.shape[1:]}, the model takes {spec.shape}", field=FIELD,
            cure="store exactly that; encoded images, in a zip for instance, may have another size",
        )
    return np.ascontiguousarray(shaped)


def from_split(name: str | None, limit: int | None, card: ModelCard, splits: Splits, settings: Settings) -> Arrays:
    """The first `limit` images of a split; without a name, of the only one that fits."""
    split = find_split(name, card, splits)
    count = min(limit or split.card.count, split.card.count)
    check_count(count, settings.max_evaluate_images)
    try:
        images, labels = split.load(count)
    except (SplitError, OSError) as error:
        raise Problem("not-ready", str(error), field="split") from error
    return Arrays(images, labels, SplitUsed(name=split.card.name, sha256=split.card.sha256, count=split.card.count))


def find_split(wanted: str | None, card: ModelCard, splits: Splits) -> Split:
    """The split of this name, or the only one that fits; Problem where that is none."""
    fitting = {name: split for name, split in splits.items() if _mismatch(split, card) is None}
    if wanted is None:
        if len(fitting) != 1:
            detail = "more than one split fits, so one must be named" if fitting else "no split of this server fits"
            raise Problem("bad-value", f"{card.id}: {detail}", field="split",
                          cure=f"use one of {', '.join(fitting)}" if fitting else "send images and labels as a form")
        return next(iter(fitting.values()))
    if wanted not in splits:
        raise Problem("unknown-split", f"there is no split {shorten(wanted)}", field="split",
                      cure=f"use one of {', '.join(splits)}" if splits else "see /splits for the reasons")
    reason = _mismatch(splits[wanted], card)
    if reason:
        raise Problem("split-mismatch", f"{wanted} does not fit {card.id}: {reason}", field="split",
                      cure=f"use one of {', '.join(fitting)}" if fitting else "send images and labels as a form")
    return fitting[wanted]


def _mismatch(split: Split, card: ModelCard) -> str | None:
    if split.card.shape != card.input.shape:
        return f"its images are {split.card.shape}, the model takes {card.input.shape}"
    if split.card.classes != card.classes:
        return "its classes are not the model's, or not in the same order"
    return None


def from_form(
    items: list[bytes], labels: list[Any], card: ModelCard, settings: Settings, stop: threading.Event = NEVER
) -> Arrays:
    """Encoded images and one label each. All must be usable: a score over the readable ones would mislead."""
    check_count(len(items), settings.max_evaluate_images)
    if len(labels) != len(items):
        raise Problem("bad-labels", f"{len(labels)} labels for {len(items)} images", field="labels",
                      cure="send one label per image, in the same order")
    truth = [index_of(label, f"labels.{place}", card) for place, label in enumerate(labels)]
    images, _ = stack(items, card.input, settings, all_or_nothing=True, stop=stop)
    return Arrays(images, np.array(truth, dtype=np.int64), SplitUsed(name="uploaded"))


def index_of(label: Any, field: str, card: ModelCard) -> int:
    """A class by its name, else by its index."""
    if isinstance(label, str):
        if label in card.classes:
            return card.classes.index(label)
        label = int(label) if label.isascii() and label.isdigit() and len(label) < 10 else label
    if type(label) is int and 0 <= label < len(card.classes):
        return label
    known = ", ".join(card.classes) if len(card.classes) <= 20 else f"{', '.join(card.classes[:20])}, …"
    raise Problem("bad-labels", f"{shorten(label)} is no class of {card.id}", field=field,
                  cure=f"use a name or an index from 0 to {len(card.classes) - 1}: {known}")


def read_labels(texts: list[str], most: int) -> list[Any]:
    """The labels of a form, at most `most`: the field repeated, or once as a JSON list or separated by commas."""
    if len(texts) != 1:
        return list(texts)
    Allowance(texts=most, need=f"{most} labels").check(texts[0].encode())
    if not texts[0].lstrip().startswith("["):
        return [part.strip() for part in texts[0].split(",")]
    try:
        found: list[Any] = json.loads(texts[0])
    except (ValueError, RecursionError) as error:
        raise Problem("bad-labels", f"labels is not a JSON list: {error}", field="labels",
                      cure='send ["name", "name"] or [0, 1], one per image') from None
    return found
