"""A small image drawn in a terminal: two pixels per character, upper and lower half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from rich.text import Text


def thumbnail(image: NDArray[np.uint8], width: int = 14) -> Text:
    """Draw a uint8 (height, width, 1 or 3) image `width` characters wide."""
    height = max(2, round(image.shape[0] * width / image.shape[1] / 2) * 2)
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    pixels = np.broadcast_to(image[rows][:, columns], (height, width, 3))
    drawn = Text()
    for upper, lower in zip(pixels[0::2], pixels[1::2], strict=True):
        if drawn:
            drawn.append("\n")
        for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True):
            drawn.append("▀", Style(color=_hex(top), bgcolor=_hex(bottom)))
    return drawn


def _hex(pixel: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)
