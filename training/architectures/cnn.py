"""Report 002's convolutional network: stages of Conv-ReLU-BatchNorm-Dropout, a global average, a dense head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from training.architectures.pooled import GlobalMean


class StagedCNN(nn.Module):
    """Each stage is two 3x3 convolutions of one width and a 2x2 max pooling; then global average and dense layers.

    The order inside a layer, with batch norm after the ReLU, is the report's Table 3. Its dropout is read as
    element-wise; `channel_dropout` drops whole channels of the convolutions instead, and `norm_first` normalises before
    the ReLU. Why it matters: Li et al., "Understanding the disharmony between dropout and batch normalization by
    variance shift", CVPR 2019.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        classes: int,
        *,
        stages: Sequence[int],
        head: Sequence[int],
        dropout: float,
        norm_first: bool = False,
        channel_dropout: bool = False,
    ) -> None:
        super().__init__()
        before = image[0]
        layers: list[nn.Module] = []
        for after in stages:
            for inputs in (before, after):
                drop = nn.Dropout2d(dropout) if channel_dropout else nn.Dropout(dropout)
                layers += [nn.Conv2d(inputs, after, 3, padding=1), *_normed(nn.BatchNorm2d(after), norm_first), drop]
            layers.append(nn.MaxPool2d(2))
            before = after
        self.features = nn.Sequential(*layers, GlobalMean())
        dense: list[nn.Module] = []
        for after in head:
            dense += [nn.Linear(before, after), *_normed(nn.BatchNorm1d(after), norm_first), nn.Dropout(dropout)]
            before = after
        self.classifier = nn.Sequential(*dense, nn.Linear(before, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _normed(norm: nn.Module, norm_first: bool) -> list[nn.Module]:
    return [norm, nn.ReLU()] if norm_first else [nn.ReLU(), norm]
