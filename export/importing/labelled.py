"""Labelled images as an imported model takes them: a folder of class folders, or Parquet.

Images of another size are stretched and colours made grey by the rule of training/own/pictures.py, which is the
service's, so the accuracy here is what /evaluate will find. Labels are class names, or their indices.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from export.importing.asked import ImportRefusedError
from service.card import InputSpec
from training.datasets import Split
from training.own import pictures
from training.own.collect import Item, collect

SHOWN = 5


def read_labelled(option: str, path: Path, spec: InputSpec, classes: tuple[str, ...]) -> Split:
    """All images under `path`, or its test part where it has parts. ImportRefusedError names `option` and why."""
    try:
        items = collect(path).items
    except ValueError as error:
        raise ImportRefusedError(str(error).replace("--data", option)) from error
    if any(item.part for item in items):
        items = tuple(item for item in items if item.part == "test")
        if not items:
            raise ImportRefusedError(f"{option}: {path} has parts, and none is called test")
    labels = np.array([_index(item, classes, option) for item in items], np.int64)
    images, failed = [], []
    for item in items:
        try:
            images.append(pictures.decode(item.load(), spec.shape))
        except (ValueError, OSError) as error:
            failed.append(f"{item.name} {error}")
    if failed:
        raise ImportRefusedError(f"{option}: {len(failed)} of {len(items)} images cannot be used: "
                                 + "; ".join(failed[:SHOWN]))
    pixels = np.stack(images)
    digest = hashlib.sha256(pixels.tobytes())
    digest.update(labels.astype("<i8").tobytes())
    return Split(pixels, labels, digest.hexdigest())


def refuse_overlap(samples: Split, test: Split) -> None:
    """ImportRefusedError when an image that decides about the normalisation is one that judges the result."""
    judged = {image.tobytes() for image in test.images}
    if common := sum(image.tobytes() in judged for image in samples.images):
        raise ImportRefusedError(f"{common} images are in --samples and in --test; what decides about the model must "
                                 "not judge it: take them out of one")


def _index(item: Item, classes: tuple[str, ...], option: str) -> int:
    if item.label in classes:
        return classes.index(item.label)
    if item.label.isascii() and item.label.isdigit() and int(item.label) < len(classes):
        return int(item.label)
    known = ", ".join(classes[:20]) + (", …" if len(classes) > 20 else "")
    raise ImportRefusedError(f"{option}: {item.name} is of the class {item.label!r}, which the model does not have; it "
                             f"has {known}")
