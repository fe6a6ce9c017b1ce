"""Whatever a caller holds as an image, as the bytes of an image file; pixels travel as PNG, which loses none."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow  # noqa: N813 - `Image` is what callers know from this package
from PIL import ImageOps

Image = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[np.uint8] | pillow.Image
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
QUICK = 1  # of zlib's levels; the network is rarely slower than the higher ones


def encode(image: Image) -> bytes:
    """The bytes of an image file.

    A `str` is a path. An array holds uint8 pixels from 0 to 255: (height, width), (height, width, 1) grey or
    (height, width, 3) RGB. ValueError or TypeError says what else it is; OSError where a path cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, np.ndarray):
        return _png(pillow.fromarray(_pixels(image)))
    if isinstance(image, pillow.Image):
        upright = ImageOps.exif_transpose(image)  # the PNG would not say how to turn it
        return _png(upright if upright.mode in PNG_MODES else upright.convert("RGB"))
    raise TypeError(f"an image cannot be {type(image).__name__}: give a path, bytes, a numpy array or a Pillow image")


def chunked(images: Iterable[Image], most: int, most_bytes: int) -> Iterator[list[bytes]]:
    """Files of images, in runs of at most `most`, and of at most `most_bytes` unless one alone has more."""
    chunk: list[bytes] = []
    held = 0
    for data in map(encode, images):
        if chunk and (len(chunk) >= most or held + len(data) > most_bytes):
            yield chunk
            chunk, held = [], 0
        chunk.append(data)
        held += len(data)
    if chunk:
        yield chunk


def _pixels(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.dtype != np.uint8:
        raise ValueError(f"the array is {image.dtype}, not uint8: send pixels from 0 to 255; the model normalises them")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3):
        return image
    if image.ndim == 3 and image.shape[2] == 1:
        return image[..., 0]
    raise ValueError(f"the array is {image.shape}, not (height, width), (height, width, 1) or (height, width, 3); "
                     "several images go as several arguments")


def _png(image: pillow.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=QUICK)
    return buffer.getvalue()
