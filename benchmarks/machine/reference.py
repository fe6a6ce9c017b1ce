"""A fixed piece of work, to tell whether the machine itself became slower between two measurements.

It does what a service does, in miniature: unpacks bytes, multiplies matrices, walks through Python objects. The fastest
of many rounds is taken, because only interruptions can make a round longer.
"""

from __future__ import annotations

import time
import zlib

import numpy as np

from benchmarks.machine.cores import pinned

ROUNDS = 300


def reference_us(cores: tuple[int, ...] = ()) -> float:
    """Microseconds of one round on these cores."""
    packed = zlib.compress(bytes(range(256)) * 16)
    image = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    best = float("inf")
    with pinned(cores):
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            zlib.decompress(packed)
            image @ image
            sum(number * number for number in range(1000))
            best = min(best, time.perf_counter() - begun)
    return round(best * 1e6, 2)
