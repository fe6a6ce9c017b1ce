"""How many images go through a network at once, when it is only asked: its activations grow with their pixels."""

from __future__ import annotations

LARGE = 32 * 32  # pixels, from which on images are fewer at a time


def at_once(most: int, height: int, width: int) -> int:
    """`most` images of up to 32x32; of larger ones as many as have the pixels of so many of those, and at least one."""
    return max(1, min(most, most * LARGE // (height * width)))
