"""Whether an exported file answers as the eager network does, asked through the runtime that will serve it.

Gate, for fp32 on the CPU: no probability differs by more than TOLERANCE, and the top class is the same wherever the
eager network was sure by more than MARGIN. Batches of several sizes, odd ones among them; all-black and all-white
images, where normalisation mistakes and overflows show first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.card import Format, Parity
from service.runtimes import open_model

TOLERANCE = 1e-5
MARGIN = 1e-4
BATCHES = (1, 2, 7, 32)

Forward = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class ParityError(ValueError):
    """An exported file does not answer as the eager network does; the message says by how much."""


def check_parity(
    eager: Forward, path: Path, *, format: Format, runtime: str, images: NDArray[np.uint8],  # noqa: A002
    tolerance: float = TOLERANCE,
) -> Parity:
    """Compare the file at `path` with `eager` on `images` (count, height, width, channels), uint8.

    Raises ParityError with the size of the difference; returns the measurement otherwise.
    """
    exported = open_model(runtime, path)
    worst, disagreements, compared = 0.0, 0, 0
    for batch in probes(images):
        expected, found = eager(batch), exported(batch)
        if found.shape != expected.shape or found.dtype != np.float32:
            raise ParityError(
                f"{format}: a batch of {len(batch)} gives {found.dtype} {found.shape}, "
                f"eager gives float32 {expected.shape}"
            )
        for who, answers in (("eager", expected), (format, found)):
            if not np.isfinite(answers).all():
                raise ParityError(f"{who}: not every probability is finite for a batch of {len(batch)}")
        worst = max(worst, float(np.abs(found - expected).max()))
        disagreements += count_disagreements(expected, found, max(MARGIN, 2 * tolerance))
        compared += len(batch)
    if worst > tolerance or disagreements:
        raise ParityError(
            f"{format} through {runtime}: probabilities differ from eager by up to {worst:.2e} "
            f"(allowed {tolerance:.0e}), the top class differs on {disagreements} of {compared} images (allowed 0)"
        )
    return Parity(
        format=format,
        runtime=f"{exported.name} {exported.version}",
        batches=BATCHES,
        images=compared,
        max_abs_diff=worst,
        tolerance=tolerance,
        top1_disagreements=disagreements,
    )


def probes(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Batches of every size in BATCHES, then an all-black and an all-white image."""
    for start, size in _starts(BATCHES):
        yield np.take(images, range(start, start + size), axis=0, mode="wrap")
    for level in (0, 255):
        yield np.full((1, *images.shape[1:]), level, dtype=np.uint8)


def count_disagreements(expected: NDArray[np.float32], found: NDArray[np.float32], margin: float = MARGIN) -> int:
    """Images whose top class differs although `expected` was sure by more than `margin`."""
    best = np.sort(expected, axis=1)
    sure = best[:, -1] - best[:, -2] > margin
    return int((sure & (expected.argmax(axis=1) != found.argmax(axis=1))).sum())


def _starts(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for size in sizes:
        yield start, size
        start += size
