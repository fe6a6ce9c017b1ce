"""Labelled images for /evaluate: a split of this server that fits the model, or what a form brought along."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.card import ModelCard
from service.fields import shorten
from service.ingress import check_count
from service.predict import stack
from service.problems import Problem
from service.settings import Settings
from service.splits import Split, SplitError
from service.state import State
from service.wire import SplitUsed

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64], SplitUsed]


def from_split(name: str | None, limit: int | None, card: ModelCard, state: State) -> Labelled:
    """The first `limit` images of a split; without a name, of the only one that fits."""
    split = _find_split(name, card, state)
    count = min(limit or split.card.count, split.card.count)
    check_count(count, state.settings.max_evaluate_images)
    try:
        images, labels = split.load(count)
    except (SplitError, OSError) as error:
        raise Problem("not-ready", str(error), field="split") from error
    return images, labels, SplitUsed(name=split.card.name, sha256=split.card.sha256)


def _find_split(wanted: str | None, card: ModelCard, state: State) -> Split:
    fitting = {name: split for name, split in state.splits.items() if _mismatch(split, card) is None}
    if wanted is None:
        if len(fitting) != 1:
            detail = "more than one split fits, so one must be named" if fitting else "no split of this server fits"
            raise Problem("bad-value", f"{card.id}: {detail}", field="split",
                          cure=f"use one of {', '.join(fitting)}" if fitting else "send images and labels as a form")
        return next(iter(fitting.values()))
    if wanted not in state.splits:
        raise Problem("unknown-split", f"there is no split {shorten(wanted)}", field="split",
                      cure=f"use one of {', '.join(state.splits)}" if state.splits else "see /splits for the reasons")
    reason = _mismatch(state.splits[wanted], card)
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


def from_form(items: list[bytes], labels: list[Any], card: ModelCard, settings: Settings) -> Labelled:
    """Encoded images and one label each. All must be usable: a score over the readable ones would mislead."""
    check_count(len(items), settings.max_evaluate_images)
    if len(labels) != len(items):
        raise Problem("bad-labels", f"{len(labels)} labels for {len(items)} images", field="labels",
                      cure="send one label per image, in the same order")
    truth = np.array([_index(label, place, card) for place, label in enumerate(labels)], dtype=np.int64)
    images, _ = stack(items, card.input, settings, all_or_nothing=True)
    return images, truth, SplitUsed(name="uploaded")


def _index(label: Any, place: int, card: ModelCard) -> int:
    """A class by its name, else by its index."""
    if isinstance(label, str):
        if label in card.classes:
            return card.classes.index(label)
        label = int(label) if label.isascii() and label.isdigit() and len(label) < 10 else label
    if type(label) is int and 0 <= label < len(card.classes):
        return label
    raise Problem("bad-labels", f"{shorten(label)} is no class of {card.id}", field=f"labels.{place}",
                  cure=f"use a name or an index from 0 to {len(card.classes) - 1}: {', '.join(card.classes)}")


def read_labels(texts: list[str]) -> list[Any]:
    """The labels of a form: the field repeated, or once as a JSON list or separated by commas."""
    if len(texts) != 1:
        return list(texts)
    if not texts[0].lstrip().startswith("["):
        return [part.strip() for part in texts[0].split(",")]
    try:
        found: list[Any] = json.loads(texts[0])
    except (ValueError, RecursionError) as error:
        raise Problem("bad-labels", f"labels is not a JSON list: {error}", field="labels",
                      cure='send ["name", "name"] or [0, 1], one per image') from None
    return found
