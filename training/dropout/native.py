"""One pass over memory each way, as machine code: the functions of `dropout.c`."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import torch
from torch import Tensor

from training.native import compiled

SOURCE = Path(__file__).with_name("dropout.c")
PIECE = 1 << 15  # values that one thread handles at a time


@functools.cache
def library() -> ctypes.CDLL | None:
    """The functions of `dropout.c`; None where it cannot be compiled or run: torch's operations give the same."""
    try:
        found = compiled(SOURCE, "dropout", f"-DPIECE={PIECE}")
    except (RuntimeError, OSError):
        return None
    pointer, number, byte, scale = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint8, ctypes.c_float
    for name, arguments in {
        "at_edge": [pointer, number, pointer, byte],
        "keep": [pointer, number, byte, pointer, pointer],
        "drop": [pointer, pointer, pointer, number, scale],
        "rectify_and_drop": [pointer, pointer, pointer, number, scale],
        "of_rectified": [pointer, pointer, pointer, number, scale],
    }.items():
        function = getattr(found, name)
        function.argtypes, function.restype = arguments, None
    return found


def keep(code: ctypes.CDLL, thrown: Tensor, edge: int, beyond: float) -> None:
    """Random bytes (N) become 1 or 0, in place: above `edge` 1, below 0; of those on it a share of 1 - `beyond` is 1,
    all where `beyond` is 0."""
    count = len(thrown)
    if not beyond:
        code.keep(thrown.data_ptr(), count, edge - 1, None, None)
        return
    found = torch.empty((count + PIECE - 1) // PIECE, dtype=torch.int64)
    code.at_edge(thrown.data_ptr(), count, found.data_ptr(), edge)
    first = found.cumsum(0) - found
    chosen = torch.rand(int(found.sum()), dtype=torch.float64) >= beyond
    code.keep(thrown.data_ptr(), count, edge, chosen.data_ptr(), first.data_ptr())
