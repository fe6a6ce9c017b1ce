"""TinyVGG, report 000's third network: two blocks of two 3x3 convolutions and a pooling, then one linear layer."""

from __future__ import annotations

from torch import Tensor, nn


class TinyVGG(nn.Module):
    """The CNN Explainer's network (Wang et al., arXiv 2004.15004), padded by 1.

    The Explainer does not pad, on 64x64 pixels; on 28x28 the report's course pads, which leaves hidden x 7 x 7
    features for the classifier.
    """

    def __init__(self, image: tuple[int, int, int], classes: int, *, hidden: int) -> None:
        super().__init__()
        channels, height, width = image
        self.blocks = nn.Sequential(_block(channels, hidden), _block(hidden, hidden))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(hidden * (height // 4) * (width // 4), classes))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.blocks(images))
        return logits


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
