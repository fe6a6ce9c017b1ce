"""Training images on the device as uint8, served by index. Batch `i` of epoch `e` is a pure function of (seed, e, i).

There is no loader, no worker and no state: 60,000 images of 28x28 are 47 MB, so they stay where the network is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augment import augment
from training.recipe import Normalization, Recipe
from training.seeds import generator
from training.transfer import moved


class Batches:
    """`len(batches)` batches per epoch; `batches.order(epoch)` and `batches.load(order, epoch, i)` make one.

    A last batch of one image, from which batch norm cannot learn, belongs to the one before.

    Takes images uint8 (N, H, W, C) and labels int64 (N,) in numpy; holds them as uint8 (N, C, H, W) on `device`.
    """

    def __init__(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe, *, seed: int, device: torch.device
    ) -> None:
        self.images = to_planes(images, device)
        self.labels = torch.tensor(labels, device=device)
        self.size = recipe.batch_size
        self.seed = seed
        self._normalization = recipe.normalization
        self._augment = {name: dict(options) for name, options in recipe.augment.items()}

    def __len__(self) -> int:
        whole, rest = divmod(len(self.labels), self.size)
        return max(1, whole + (rest > 1))

    def order(self, epoch: int) -> Tensor:
        """The epoch's permutation of all positions, int64 (N,), on the CPU."""
        return torch.randperm(len(self.labels), generator=generator(self.seed, "order", epoch))

    def positions(self, order: Tensor, number: int) -> Tensor:
        """Where the images of batch `number` lie, int64 (B,), on the CPU."""
        return order[number * self.size : None if number == len(self) - 1 else (number + 1) * self.size]

    def load(self, order: Tensor, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        """Batch `number` of the epoch whose `order` it is: normalised float (B, C, H, W), labels (B,)."""
        positions = self.positions(order, number)
        on_device = moved(positions, self.images.device)
        images = augment(
            self.images[on_device], positions, self._augment, seed=self.seed, epoch=epoch, batch=number
        )
        return to_input(images, self._normalization), self.labels[on_device]


def to_planes(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Images uint8 (N, H, W, C) in numpy as a contiguous uint8 (N, C, H, W) tensor on `device`."""
    return torch.tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), device=device)


def to_input(images: Tensor, normalization: Normalization) -> Tensor:
    """What a network sees: pixels 0..255 (N, C, H, W) as float32 `(pixel / 255 - mean) / std`.

    One multiplication and one addition, as in the exported graph, so that both round alike.
    """
    scale, offset = _factors(normalization, images.device)
    return images.float() * scale - offset


@lru_cache(maxsize=32)
def _factors(normalization: Normalization, device: torch.device) -> tuple[Tensor, Tensor]:
    mean = torch.tensor(normalization.mean, device=device)[:, None, None]
    std = torch.tensor(normalization.std, device=device)[:, None, None]
    return 1 / (255 * std), mean / std
