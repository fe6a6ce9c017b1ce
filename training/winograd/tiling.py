"""How a batch of images is cut into tiles, and what turns pixels into tiles and back."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.winograd.native import Shape, library
from training.winograd.points import POINTS

# Bytes that the transformed tiles of one piece of a batch may have, and its products as many again, so that memory does
# not grow with the batch. A piece is whole images, and at least one, however many bytes that takes.
PIECE = 32 << 20

WORTH = .8  # of the products are left where a larger tile, with larger errors, is taken


@dataclass(frozen=True)
class Tiling:
    """Tiles of `size` squared pixels for images of `height` and `width`; the last ones may reach beyond an image."""

    size: int
    height: int
    width: int

    @classmethod
    def of(cls, height: int, width: int) -> Tiling:
        """The tiling with the fewest products; larger tiles only where they save a fifth of them."""
        best, *larger = (cls(size, height, width) for size in sorted(POINTS))
        for tiling in larger:
            if tiling.products <= WORTH * best.products:
                best = tiling
        return best

    @property
    def taps(self) -> int:
        """Positions in a transformed tile."""
        return POINTS[self.size].taps ** 2

    @property
    def down(self) -> int:
        """Tiles from top to bottom."""
        return math.ceil(self.height / self.size)

    @property
    def across(self) -> int:
        """Tiles from left to right."""
        return math.ceil(self.width / self.size)

    @property
    def tiles(self) -> int:
        """Tiles per image."""
        return self.down * self.across

    @property
    def products(self) -> int:
        """Products per image, input and output channel; the direct way has nine per pixel."""
        return self.taps * self.tiles

    def pieces(self, images: int, inputs: int, outputs: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The first tile of each piece of a batch, and memory for its tiles (taps, tiles, inputs) and its products
        (taps, tiles, outputs), which the next piece uses again. Whole images; the same pieces for the same sizes."""
        step = self.tiles * max(1, PIECE // (self.products * max(inputs, outputs) * 4))
        total = images * self.tiles
        held = products = torch.empty(0, 0, 0)
        for first in range(0, total, step):
            count = min(step, total - first)
            if held.shape[1] != count:  # the first piece, and a shorter last one
                held, products = (torch.empty(self.taps, count, channels) for channels in (inputs, outputs))
            yield first, held, products

    def filters(self, weight: Tensor) -> Tensor:
        """Filters (O, I, 3, 3) to (taps, O, I)."""
        outputs, inputs = weight.shape[:2]
        return (_of_filters(self.size) @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(self.taps, outputs, inputs)

    def gradient_of_filters(self, transformed: Tensor) -> Tensor:
        """The gradient (taps, O, I) of what `filters` gave to that of the filters (O, I, 3, 3)."""
        outputs, inputs = transformed.shape[1:]
        by_tap = _of_filters(self.size).T @ transformed.view(self.taps, -1)
        return by_tap.view(3, 3, outputs, inputs).permute(2, 3, 0, 1)

    def to_tiles(self, pixels: Tensor, tiles: Tensor, first: int) -> None:
        """Fill `tiles` (taps, tiles, C), from number `first` on, from images (N, H, W, C)."""
        self._call("to_tiles", pixels, tiles, first=first, count=tiles.shape[1])

    def of_gradients(self, pixels: Tensor, tiles: Tensor, first: int) -> None:
        """The same for the gradient (N, H, W, C) of what `to_pixels` gave."""
        self._call("of_gradients", pixels, tiles, first=first, count=tiles.shape[1])

    def from_tiles(self, tiles: Tensor, pixels: Tensor, first: int) -> None:
        """The gradient of what `to_tiles` gave to that of its images (N, H, W, C)."""
        self._call("from_tiles", tiles, pixels, first=first, count=tiles.shape[1])

    def to_pixels(self, tiles: Tensor, pixels: Tensor, bias: Tensor, first: int) -> None:
        """Products (taps, tiles, C) to the pixels of those tiles in (N, H, W, C), with `bias` (C) added."""
        self._call("to_pixels", tiles, pixels, bias, first=first, count=tiles.shape[1])

    def _call(self, name: str, *tensors: Tensor, first: int, count: int) -> None:
        shape = Shape(self.height, self.width, tensors[0].shape[-1], self.down, self.across)
        getattr(library(self.size), name)(*(tensor.data_ptr() for tensor in tensors), first, count, shape)


@functools.cache
def _of_filters(size: int) -> Tensor:
    """Both dimensions of a filter's transform, (taps, 9)."""
    one = torch.tensor([[float(number) for number in row] for row in POINTS[size].filters], dtype=torch.float64)
    return torch.kron(one, one).float()
