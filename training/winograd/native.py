"""The transforms as machine code: the functions of `transforms.c`, for one size of tile."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from training.native import compiled
from training.winograd.points import POINTS

SOURCE = Path(__file__).with_name("transforms.c")
LANES = 8  # fp32 numbers that are handled at once; channels come in multiples of it


class Shape(ctypes.Structure):
    """Of images (any number, height, width, channels), cut into `down` times `across` tiles each."""

    _fields_ = [(name, ctypes.c_int64) for name in ("height", "width", "channels", "down", "across")]


@functools.cache
def library(size: int) -> ctypes.CDLL:
    """The functions for tiles of `size` squared pixels. RuntimeError without a compiler, or with what it said; OSError
    where what it made cannot be run."""
    points = POINTS[size]
    found = compiled(
        SOURCE, f"winograd{size}", f"-DLANES={LANES}", f"-DSIZE={size}", f"-DPAIRS={len(points.pairs)}",
        f"-DZERO={points.zero:d}", f"-DPOWERS={_table(points.powers)}", f"-DPARTS={_table(points.parts)}",
        f"-DWHOLE={_list(points.whole)}",
    )
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for name, pointers in (("to_tiles", 2), ("of_gradients", 2), ("from_tiles", 2), ("to_pixels", 3)):
        function = getattr(found, name)
        function.argtypes, function.restype = [*[pointer] * pointers, number, number, Shape], None
    return found


def load() -> None:
    """Everything that a network may need. RuntimeError and OSError as `library` has them."""
    for size in POINTS:
        library(size)


def available() -> bool:
    """Whether it can be had, tried: a compiler may lack OpenMP, or its headers."""
    try:
        load()
    except (RuntimeError, OSError):
        return False
    return True


def _table(rows: Sequence[Sequence[Fraction]]) -> str:
    """As C writes it."""
    return f"{{{','.join(map(_list, rows))}}}"


def _list(numbers: Sequence[Fraction]) -> str:
    return f"{{{','.join(f'{float(number)!r}f' for number in numbers)}}}"
