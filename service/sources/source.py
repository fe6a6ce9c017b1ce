"""What every form of upload becomes: a number of labelled images that can be had in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from service.problems import Problem
from service.settings import Settings

FIELD = "data"
LABEL = ("label", "labels", "class", "target")  # names of the column with the labels, in every kind of table
UNPACKED = 8  # what an upload may unpack to, in units of the largest body: beyond it, it is a bomb or a mistake


@dataclass(frozen=True)
class Bounds:
    """The most an upload may hold: images, bytes of one encoded image, bytes of all that is unpacked."""

    images: int
    image_bytes: int
    bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Bounds:
        """From the server's settings."""
        return cls(settings.max_evaluate_images, settings.max_body_bytes, UNPACKED * settings.max_body_bytes)

    def check_count(self, count: int) -> None:
        """Problem for more images than may be, or none."""
        if not count:
            bad("the upload holds no image", "send at least one labelled image")
        if count > self.images:
            raise Problem("too-many-images", f"{count} images, the limit is {self.images}", field=FIELD,
                          limit=self.images, cure="send fewer, or raise WEIGHBRIDGE_MAX_EVALUATE_IMAGES on the server")

    def check_bytes(self, size: int, what: str) -> None:
        """Problem for what unpacks to more than may be."""
        if size > self.bytes:
            raise Problem("body-too-large", f"{what} unpacks to {size} bytes, the limit is {self.bytes}", field=FIELD,
                          limit=self.bytes, cure="send it in parts, or raise WEIGHBRIDGE_MAX_BODY_BYTES on the server")


@dataclass(frozen=True)
class Source:
    """`labels` are names or indices as they were written. `read` gives images start to stop: encoded files, or pixels
    uint8 (n, height, width) or (n, height, width, channels). `names` are the files', where there are any."""

    labels: Sequence[Any]
    read: Callable[[int, int], Sequence[bytes] | NDArray[np.uint8]]
    names: Sequence[str] | None = None

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels)


def bad(detail: str, cure: str) -> NoReturn:
    """Problem "bad-data"."""
    raise Problem("bad-data", detail, field=FIELD, cure=cure)


def check_arrays(images: NDArray[Any], labels: NDArray[Any], bounds: Bounds) -> None:
    """Problem unless the arrays are uint8 pixels with one whole-number label or name each."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        bad(f"images are {images.dtype} {images.shape}",
            "store them as uint8 (count, height, width) or (count, height, width, channels), 0 to 255")
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        bad(f"labels are {labels.dtype} {labels.shape}", "store one whole number or one name per image")
    if len(images) != len(labels):
        bad(f"{len(images)} images and {len(labels)} labels", "store one label per image, in the same order")
    bounds.check_count(len(images))
