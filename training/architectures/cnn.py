"""Report 002's convolutional network: stages of Conv-ReLU-BatchNorm-Dropout, a global average, a dense head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class StagedCNN(nn.Module):
    """Each stage is two 3x3 convolutions of one width and a 2x2 max pooling; then global average and dense layers.

    The order inside a layer, with batch norm after the ReLU, is the report's Table 3. Its dropout is read as
    element-wise.
    """

    def __init__(
        self, image: tuple[int, int, int], classes: int, *, stages: Sequence[int], head: Sequence[int], dropout: float
    ) -> None:
        super().__init__()
        before = image[0]
        layers: list[nn.Module] = []
        for after in stages:
            for inputs in (before, after):
                layers += [
                    nn.Conv2d(inputs, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after), nn.Dropout(dropout)
                ]
            layers.append(nn.MaxPool2d(2))
            before = after
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        dense: list[nn.Module] = []
        for after in head:
            dense += [nn.Linear(before, after), nn.ReLU(), nn.BatchNorm1d(after), nn.Dropout(dropout)]
            before = after
        self.classifier = nn.Sequential(*dense, nn.Linear(before, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits
