"""The images of one run: those it trains on, those it watches, and the ones its figure comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.batches import Batches, to_planes
from training.datasets import load_split
from training.protocol import Protocol
from training.recipe import Recipe
from training.splits import carve_for


@dataclass(frozen=True)
class Labelled:
    """Images uint8 (N, C, H, W) and labels int64 (N,) on the device."""

    images: Tensor
    labels: Tensor


@dataclass
class Material:
    """What a protocol lets a run see. The official test split is read when it is first asked for, and not before."""

    batches: Batches
    held_out: Labelled | None
    sha256: dict[str, str]                       # per official split that was read
    trained_on: Tensor                           # int64, places in the train split, as `batches` has them
    _dataset: str
    _device: torch.device
    _test: Labelled | None = field(default=None)

    @classmethod
    def load(cls, recipe: Recipe, protocol: Protocol, *, seed: int, device: torch.device) -> Material:
        """Read the train split and carve it as the protocol says."""
        train = load_split(recipe.dataset, "train")
        used, held = carve_for(recipe, protocol, train.labels, seed=seed)
        batches = Batches(train.images[used], train.labels[used], recipe, seed=seed, device=device)
        held_out = None
        if len(held):
            held_out = Labelled(to_planes(train.images[held], device), torch.tensor(train.labels[held], device=device))
        return cls(batches, held_out, {"train": train.sha256}, torch.from_numpy(used), recipe.dataset, device)

    @property
    def train(self) -> Labelled:
        """The images trained on, without augmentation."""
        return Labelled(self.batches.images, self.batches.labels)

    def scored_on(self, split: str) -> Labelled:
        """The images called `held-out` or `test`."""
        if split == "held-out":
            assert self.held_out is not None  # Protocol refuses to score held-out images that it does not hold out
            return self.held_out
        if self._test is None:
            test = load_split(self._dataset, "test")
            self.sha256["test"] = test.sha256
            self._test = Labelled(to_planes(test.images, self._device), torch.tensor(test.labels, device=self._device))
        return self._test
