"""The transforms as machine code: the functions of `transforms.c`."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

from training.native import compiled

SOURCE = Path(__file__).with_name("transforms.c")
LANES = 8  # fp32 numbers that are handled at once; channels come in multiples of it


class Shape(ctypes.Structure):
    """Of images (any number, height, width, channels), cut into `down` times `across` tiles each."""

    _fields_ = [(name, ctypes.c_int64) for name in ("height", "width", "channels", "down", "across")]


@functools.cache
def library() -> ctypes.CDLL:
    """The functions of `transforms.c`. RuntimeError without a compiler, or with what it said; OSError where what it
    made cannot be run."""
    found = compiled(SOURCE, "winograd", f"-DLANES={LANES}")
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    for size in (2, 4):
        for name, pointers in (("to_tiles", 2), ("of_gradients", 2), ("from_tiles", 2), ("to_pixels", 3)):
            function = getattr(found, f"{name}_{size}")
            function.argtypes, function.restype = [*[pointer] * pointers, number, number, Shape], None
    return found


def available() -> bool:
    """Whether there is such a library, tried: a compiler may lack OpenMP, or its headers."""
    try:
        library()
    except (RuntimeError, OSError):
        return False
    return True
