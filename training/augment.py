"""Augmentation of whole batches, with its own random parameters for every image, in a few tensor operations.

torchvision's v2 transforms draw one set of parameters for a batch; a DataLoader of single images is bound by Python.
Here a batch stays one tensor. Each function takes images (B, C, H, W), uint8 or float, pixel values 0..255, and
returns the same shape. Parameters are drawn on the CPU and moved, so that every device sees the same batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.seeds import derive, generator
from training.transfer import moved


@dataclass(frozen=True)
class Draws:
    """Where the randomness of one batch comes from: its own generator, and what alternates from epoch to epoch."""

    positions: Tensor           # int64 (B,), each image's place in the training set
    generator: torch.Generator
    seed: int
    epoch: int

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Float32 numbers in [low, high)."""
        return torch.rand(shape, generator=self.generator) * (high - low) + low


def flip(images: Tensor, draws: Draws, *, probability: float = 0.5) -> Tensor:
    """Mirror each image left to right with `probability`."""
    return _flip_where(images, draws.uniform(len(images)) < probability)


def alternating_flip(images: Tensor, draws: Draws) -> Tensor:
    """Mirror each image in every second epoch, half of them starting mirrored.

    Two epochs then show each image both ways; random flips show a quarter of them twice the same way.
    Jordan: "94 % on CIFAR-10 in 3.29 seconds", arXiv 2404.00498, section 3.6.
    """
    multiplier = derive(draws.seed, "alternating-flip") | 1  # odd: mixes the positions' low bits upwards
    coin = (((draws.positions + 1) * multiplier) >> 16) & 1
    return _flip_where(images, (coin + draws.epoch) % 2 == 1)


def shift(images: Tensor, draws: Draws, *, pixels: int) -> Tensor:
    """Move each image by up to `pixels` in both directions; black comes in. The usual pad-and-crop."""
    count, channels, height, width = images.shape
    padded = functional.pad(images, (pixels, pixels, pixels, pixels))
    offsets = torch.randint(0, 2 * pixels + 1, (2, count, 1), generator=draws.generator)
    rows = moved(offsets[0] + torch.arange(height), images.device)
    columns = moved(offsets[1] + torch.arange(width), images.device)
    batch = torch.arange(count, device=images.device)
    planes = torch.arange(channels, device=images.device)
    return padded[batch[:, None, None, None], planes[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def affine(
    images: Tensor, draws: Draws, *, degrees: float, shift: float, scale: tuple[float, float]
) -> Tensor:
    """Rotate by up to `degrees`, move by up to the share `shift` of the size, scale within `scale`; bilinear."""
    count, _, height, width = images.shape
    angle = draws.uniform(count, low=-degrees, high=degrees) * (math.pi / 180)
    inverse_scale = 1 / draws.uniform(count, low=scale[0], high=scale[1])
    move = draws.uniform(count, 2, low=-2 * shift, high=2 * shift)  # the grid spans -1..1
    cosine, sine = angle.cos() * inverse_scale, angle.sin() * inverse_scale
    tall, wide = height / width, width / height  # the grid spans -1..1 on both sides, whatever their lengths
    matrix = torch.stack([cosine, -sine * tall, move[:, 0], sine * wide, cosine, move[:, 1]], dim=1).view(count, 2, 3)
    grid = functional.affine_grid(moved(matrix, images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images.float(), grid, align_corners=False)


def erase(
    images: Tensor,
    draws: Draws,
    *,
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 3.33),
    fill: int | None = None,
) -> Tensor:
    """Fill a random rectangle of each image with noise, or with the pixel value `fill`, with `probability`.

    `area` is the rectangle's share of the image, `aspect` its height over its width. A rectangle that sticks out is cut
    to the image instead of drawn again. Zhong et al.: "Random Erasing Data Augmentation", arXiv 1708.04896.
    """
    count, channels, height, width = images.shape
    size = draws.uniform(count, low=area[0], high=area[1]) * height * width
    ratio = torch.exp(draws.uniform(count, low=math.log(aspect[0]), high=math.log(aspect[1])))
    tall = torch.clamp((size * ratio).sqrt(), max=height).round()
    wide = torch.clamp((size / ratio).sqrt(), max=width).round()
    top = (draws.uniform(count) * (height - tall + 1)).floor()
    left = (draws.uniform(count) * (width - wide + 1)).floor()
    chosen = draws.uniform(count) < probability
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None])
    in_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
    inside = (in_rows[:, None, :, None] & in_columns[:, None, None, :]) & chosen[:, None, None, None]
    if fill is not None:  # noise for every pixel of a batch costs a CPU more than a GPU's whole step
        return images.masked_fill(moved(inside, images.device), fill)
    noise = torch.randint(0, 256, (count, channels, height, width), generator=draws.generator, dtype=torch.uint8)
    return torch.where(moved(inside, images.device), moved(noise, images.device).to(images.dtype), images)


def _flip_where(images: Tensor, mirrored: Tensor) -> Tensor:
    return torch.where(moved(mirrored, images.device)[:, None, None, None], images.flip(-1), images)


AUGMENTATIONS: dict[str, Callable[..., Tensor]] = {
    "flip": flip,
    "alternating-flip": alternating_flip,
    "shift": shift,
    "affine": affine,
    "erase": erase,
}


def augment(images: Tensor, positions: Tensor, recipe_augment: dict[str, dict[str, object]], *, seed: int,
            epoch: int, batch: int) -> Tensor:
    """Apply a recipe's augmentations in their order; a pure function of its arguments."""
    if not recipe_augment:
        return images
    draws = Draws(positions, generator(seed, "augment", epoch, batch), seed, epoch)
    for name, options in recipe_augment.items():
        images = AUGMENTATIONS[name](images, draws, **options)
    return images
