"""A network as clients see it: uint8 images in, probabilities out, normalisation baked in.

Scaling and normalisation live inside the graph so that nobody can apply them twice, or wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Wrapped(nn.Module):
    """uint8 (batch, height, width, channels) -> float32 probabilities (batch, classes)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """`network` takes normalised float32 NCHW and returns logits; `mean` and `std` are per channel, in 0..1."""
        super().__init__()
        self.network = network
        # (x / 255 - mean) / std as one multiply-add per pixel.
        deviation = torch.tensor(std, dtype=torch.float32).reshape(1, -1, 1, 1)
        self.register_buffer("scale", 1 / (255 * deviation))
        self.register_buffer("shift", -torch.tensor(mean, dtype=torch.float32).reshape(1, -1, 1, 1) / deviation)

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities for a batch of images."""
        x = image.permute(0, 3, 1, 2).to(torch.float32) * self.scale + self.shift
        return torch.softmax(self.network(x), dim=1)


def refuse_train_mode(module: nn.Module) -> None:
    """Raise ValueError when any part of `module` is in train mode: dropout and batch statistics would be exported."""
    training = [name or "the module itself" for name, part in module.named_modules() if part.training]
    if training:
        raise ValueError(
            f"{len(training)} parts are in train mode, the first is {training[0]}; "
            "dropout and batch statistics would be exported. Call .eval() first"
        )
