"""Which code convolved: what runs, probes and teachers' answers are told apart by."""

from __future__ import annotations

import hashlib

from training import native as compiling
from training.winograd import convolution, native, tiling
from training.winograd.points import POINTS


def fingerprint() -> str:
    """Twelve hex digits of all code and numbers that decide which convolutions are done here, and in which bits.

    Compiler and CPU have a say in the bits too, and are not in it.
    """
    numbers = (
        compiling.FLAGS, native.LANES, POINTS, tiling.WORTH, tiling.PIECE, convolution.CHANNELS, convolution.PRODUCT
    )
    return hashlib.sha256(repr(numbers).encode() + native.SOURCE.read_bytes()).hexdigest()[:12]
