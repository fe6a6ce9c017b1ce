"""Our own small, fast network: a few convolutions that begin as the identity, pooled early, one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class FastNet(nn.Module):
    """A stem, then per width [conv, max pool, batch norm, activation, conv, batch norm, activation], global max.

    Pooling comes right after a group's first convolution, so that all but one convolution runs at the smaller size.
    Convolutions have no bias (batch norm has one) and begin as the identity on their first channels ("dirac"), which
    lets the signal through an untrained network. Both from Jordan: arXiv 2404.00498. Widths are multiples of 16, the
    width of the vector units that will serve them. `scale` is a fixed factor on the logits.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        classes: int,
        *,
        stem: int,
        widths: Sequence[int],
        activation: str = "gelu",
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
        act = ACTIVATIONS[activation]
        layers: list[nn.Module] = [nn.Conv2d(image[0], stem, 3, padding=1), act()]
        before = stem
        for after in widths:
            layers += [
                _conv(before, after), nn.MaxPool2d(2), nn.BatchNorm2d(after), act(),
                _conv(after, after), nn.BatchNorm2d(after), act(),
            ]
            before = after
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes, bias=False)
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        pooled = self.features(images).amax(dim=(2, 3))
        logits: Tensor = self.classifier(pooled) * self.scale
        return logits


def _conv(before: int, after: int) -> nn.Conv2d:
    conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:before])
    return conv
