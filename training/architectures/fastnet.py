"""Our own small, fast network: a few convolutions that begin as the identity, pooled early, one linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}
LEAST_VARIANCE = 5e-4  # added to each direction's, so that directions without any do not become noise


class FastNet(nn.Module):
    """A stem, then per width [conv, max pool, batch norm, activation, conv, batch norm, activation], global max.

    `depths` counts the convolutions of each group, if they are not two.
    Pooling comes right after a group's first convolution, so that all but one convolution runs at the smaller size.
    Convolutions have no bias (batch norm has one) and begin as the identity on their first channels ("dirac"), which
    lets the signal through an untrained network. Both from Jordan: arXiv 2404.00498. Widths are multiples of 16, the
    width of the vector units that will serve them. `scale` is a fixed factor on the logits.

    Not `pooled`, nothing takes a maximum: the first convolution of a group moves by two pixels, and the linear layer
    sees every place. `hidden` puts a linear layer of that width, batch norm and the activation before the last. Both
    are for the smallest networks, where going from one operation to the next costs more than multiplying.

    The stem looks at squares of `kernel` pixels, `stride` apart. A `whitened` one is not learned: its filters are the
    principal directions of the training images' patches and their negatives, each scaled to unit variance, so that
    what follows begins with decorrelated inputs (same paper; Page, "How to train your ResNet"). `whiten` sets them.
    "spread" is whitened too, and says which images are looked at: see `training.recipe`.
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
        kernel: int = 3,
        stride: int = 1,
        whitened: bool | str = False,
        depths: Sequence[int] | None = None,
        pooled: bool = True,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        depths = [2] * len(widths) if depths is None else depths
        if len(depths) != len(widths) or min(depths) < 1:
            raise ValueError(f"depths {list(depths)}: as many numbers from 1 as there are widths, {len(widths)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
        act = ACTIVATIONS[activation]
        padding = (kernel - stride + 1) // 2
        first = nn.Conv2d(image[0], stem, kernel, stride=stride, padding=padding)
        first.weight.requires_grad = not whitened
        layers: list[nn.Module] = [first, act()]
        before = stem
        for after, depth in zip(widths, depths, strict=True):
            entry = [_conv(before, after), nn.MaxPool2d(2)] if pooled else [_conv(before, after, stride=2)]
            layers += [*entry, nn.BatchNorm2d(after), act()]
            for _ in range(depth - 1):
                layers += [_conv(after, after), nn.BatchNorm2d(after), act()]
            before = after
        self.features = nn.Sequential(*layers)
        if not pooled:
            before *= _places(image, (kernel, stride, padding), len(widths))
        head: list[nn.Module] = []
        if hidden:
            head = [nn.Linear(before, hidden, bias=False), nn.BatchNorm1d(hidden), act()]
            before = hidden
        last = nn.Linear(before, classes, bias=False)
        self.classifier = nn.Sequential(*head, last) if head else last
        self.pooled = pooled
        self.scale = scale
        self.whitened = whitened

    def whiten(self, images: Tensor) -> None:
        """Set a whitened stem from training images (N, C, H, W) as the network will see them.

        ValueError where the images are smaller than the squares, or a square has too few numbers for so many filters.
        """
        first = self.features[0]
        assert isinstance(first, nn.Conv2d)
        count, side, channels = len(first.weight) // 2, first.kernel_size[0], images.shape[1]
        size = channels * side * side
        if side > min(images.shape[2:]):
            raise ValueError(f"its whitened stem looks at squares of {side}x{side} pixels, which no side may be below")
        if count > size:
            raise ValueError(f"its stem of {2 * count} filters is whitened, and {side}x{side} pixels of {channels} "
                             f"channel{'s' * (channels > 1)} allow two per number, {2 * size}")
        patches = functional.unfold(images, side, stride=side).transpose(1, 2).flatten(0, 1).double()
        values, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        kept = (directions / (values + LEAST_VARIANCE).sqrt()).T.flip(0)[:count]
        with torch.no_grad():
            first.weight.copy_(torch.cat([kept, -kept]).view_as(first.weight))
            assert first.bias is not None
            first.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        seen = self.features(images)
        logits: Tensor = self.classifier(seen.amax(dim=(2, 3)) if self.pooled else seen.flatten(1)) * self.scale
        return logits


def _places(image: tuple[int, int, int], stem: tuple[int, int, int], halvings: int) -> int:
    """How many places of an image are left after a stem of (kernel, stride, padding) and convolutions 2 apart."""
    kernel, stride, padding = stem
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in image[1:])
    for _ in range(halvings):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height * width


def _conv(before: int, after: int, *, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:before])
    return conv
