"""Report 003's network: in every block three convolutions run side by side, and the image weighs them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from training.architectures.pooled import GlobalMean


class GatedCNN(nn.Module):
    """A `_GatedBlock`, BatchNorm2d and 2x2 max pooling per width; then average, a hidden layer, dropout, the classes.

    Close to conditionally parameterised convolutions (Yang et al., arXiv 1904.04971), but mixing outputs, not kernels.
    """

    def __init__(
        self, image: tuple[int, int, int], classes: int, *, widths: Sequence[int], hidden: int, dropout: float
    ) -> None:
        super().__init__()
        before = image[0]
        layers: list[nn.Module] = []
        for after in widths:
            layers += [_GatedBlock(before, after), nn.BatchNorm2d(after), nn.MaxPool2d(2)]
            before = after
        self.features = nn.Sequential(*layers, GlobalMean())
        self.classifier = nn.Sequential(
            nn.Linear(before, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


class _GatedBlock(nn.Module):
    """sum_k a_k * ReLU(conv_k(x)), with a = ReLU(Linear(mean of x)), one weight per image and convolution.

    A ReLU and no softmax on `a`, as the report draws it: an image whose three weights are all 0 loses the block.
    """

    BRANCHES = 3

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        # The place of a layer that is gone: its neighbours' names are in the files of trained weights.
        self.gate = nn.Sequential(GlobalMean(), nn.Identity(), nn.Linear(before, self.BRANCHES), nn.ReLU())
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.ReLU()) for _ in range(self.BRANCHES)
        )

    def forward(self, x: Tensor) -> Tensor:
        # split, not indexing: the exported graph then has 60 nodes fewer
        weights = self.gate(x)[:, :, None, None].split(1, dim=1)
        branches = [weight * branch(x) for weight, branch in zip(weights, self.branches, strict=True)]
        total: Tensor = branches[0] + branches[1] + branches[2]
        return total
