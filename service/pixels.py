"""Pixels that are already pixels: raw bytes or nested JSON lists, checked to fit a model exactly. No resizing here.

An encoded image says its own size and may be scaled; a bare array of another shape is a mistake, and is refused.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.card import InputSpec
from service.fields import shorten
from service.problems import Problem

TOO_MANY = 4  # times the values of an image
RANGE_CURE = "send whole numbers from 0 (black) to 255 (white); scaling and normalisation happen inside the model"


def from_bytes(body: bytes, spec: InputSpec) -> NDArray[np.uint8]:
    """uint8 (n, height, width, channels) over the memory of `body`, which must hold exactly n >= 1 images."""
    size = spec.height * spec.width * spec.channels
    if not body:
        raise Problem("no-image", "the body is empty", cure=f"send {size} bytes per image")
    if len(body) % size:
        raise Problem(
            "wrong-shape",
            f"{len(body)} bytes are not a whole number of images of {_text(spec.shape)} = {size} bytes",
            limit=size,
            cure="send uint8 pixels, row by row, channels last, without padding; "
            "an encoded file goes as image/png, image/jpeg, image/webp or image/bmp",
        )
    return np.frombuffer(body, dtype=np.uint8).reshape(-1, *spec.shape)


def from_lists(item: list[Any], spec: InputSpec, *, no_booleans: bool = False) -> NDArray[np.uint8]:
    """uint8 (height, width, channels) from height x width (grey) or height x width x channels nested integers.

    `no_booleans` promises that there are none, which is the one thing that C would not notice.
    """
    flat = _quick(item, spec) if no_booleans else None
    if flat is not None:
        return np.frombuffer(flat, dtype=np.uint8).reshape(spec.shape)
    shape, leaves = _unnest(item, spec)
    kinds = set(map(type, leaves))
    if kinds != {int}:
        raise _not_pixels(leaves, shape, spec)
    if shape != spec.shape and (*shape, 1) != spec.shape:
        raise _wrong_shape(f"the pixels are {_text(shape)}", spec)
    try:
        flat = bytes(leaves)  # checks the range in C, several times faster than numpy takes a list apart
    except ValueError:
        worst = next(leaf for leaf in leaves if not 0 <= leaf <= 255)
        raise Problem("bad-pixels", f"{_short(worst)} is not from 0 to 255", limit=255, cure=RANGE_CURE) from None
    return np.frombuffer(flat, dtype=np.uint8).reshape(spec.shape)


def _quick(item: list[Any], spec: InputSpec) -> bytes | None:
    """The pixels of a list without fault, in a sixth of the time; None when anything is wrong with it."""
    height, width, channels = spec.shape
    try:
        if len(item) != height or set(map(len, item)) != {width}:
            return None
        if channels == 1 and type(item[0][0]) is int:
            return b"".join(map(bytes, item))
        pixels = list(chain.from_iterable(item))
        return b"".join(map(bytes, pixels)) if set(map(len, pixels)) == {channels} else None
    except (TypeError, ValueError, KeyError):
        return None


def _unnest(item: list[Any], spec: InputSpec) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists as far as they are regular, and what lies below.

    Problem as soon as there is far more than an image of `spec`: to look at millions of values holds everybody up.
    """
    most = TOO_MANY * spec.height * spec.width * spec.channels
    shape: tuple[int, ...] = (len(item),)
    level = item
    if len(level) > most:
        raise _wrong_shape(f"there are {len(level)} rows", spec)
    while level and set(map(type, level)) == {list} and len(lengths := set(map(len, level))) == 1:
        shape += (lengths.pop(),)
        if len(level) * shape[-1] > most:
            raise _wrong_shape(f"the pixels are {_text(shape)}", spec)
        level = list(chain.from_iterable(level))
    return shape, level


def _not_pixels(leaves: list[Any], shape: tuple[int, ...], spec: InputSpec) -> Problem:
    if not leaves:
        return _wrong_shape(f"the pixels are {_text(shape)}", spec)
    if any(type(leaf) is list for leaf in leaves):
        return _wrong_shape("the rows have different lengths or depths", spec)
    odd = next(leaf for leaf in leaves if type(leaf) is not int)
    return Problem("bad-pixels", f"{_short(odd)} is not a whole number", cure=RANGE_CURE)


def _wrong_shape(found: str, spec: InputSpec) -> Problem:
    wanted = (spec.shape[:2], spec.shape) if spec.channels == 1 else (spec.shape,)
    return Problem(
        "wrong-shape",
        f"{found}, the model takes {' or '.join(map(_text, wanted))}",
        cure="send exactly that; an encoded image may have another size",
    )


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _short(value: Any) -> str:
    return "a very long number" if isinstance(value, int) and value.bit_length() > 200 else shorten(value, 40)
