"""Report 001's network: two mixing blocks without skip connections, batch norm over rows, the mean of row logits.

After the MLP-Mixer (Tolstikhin et al., arXiv 2105.01601), but as the coursework specifies it, not as the paper does.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.dropout import rectify_and_drop


class ReportMixer(nn.Module):
    """Patches to a stem of `width`; then per block an MLP over the rows and one over the columns.

    `blocks` gives, for each block, ((hidden, out) over rows, (hidden, out) over columns, dropout). The report's are
    ((512, 256), (128, 64), .1) and ((64, 128), (32, 16), .2), so that 49 patches x 256 end as 128 rows x 16.
    Every row is then classified and the logits are averaged; the same as classifying the mean row.
    The dropout's place is our reading: after each hidden ReLU, as in the paper.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        classes: int,
        *,
        patch: int,
        width: int,
        blocks: tuple[tuple[tuple[int, int], tuple[int, int], float], ...],
    ) -> None:
        super().__init__()
        channels, height, image_width = image
        self.patch = patch
        rows, columns = (height // patch) * (image_width // patch), width
        self.stem = nn.Sequential(nn.Linear(channels * patch * patch, width), nn.BatchNorm1d(rows))
        self.blocks = nn.ModuleList()
        for over_rows, over_columns, dropout in blocks:
            self.blocks.append(_Block(rows, columns, over_rows, over_columns, dropout))
            rows, columns = over_rows[1], over_columns[1]
        self.classifier = nn.Linear(columns, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        x = self.stem(_patches(images, self.patch))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.classifier(x).mean(dim=1)
        return logits


class _Block(nn.Module):
    """(N, rows, columns) to (N, over_rows[1], over_columns[1])."""

    def __init__(
        self, rows: int, columns: int, over_rows: tuple[int, int], over_columns: tuple[int, int], dropout: float
    ) -> None:
        super().__init__()
        self.over_rows = _MLP(rows, *over_rows, dropout)
        self.over_columns = _MLP(columns, *over_columns, dropout)
        self.norm = nn.BatchNorm1d(over_rows[1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.over_rows(x.transpose(1, 2)).transpose(1, 2)
        normed: Tensor = self.norm(self.over_columns(x))
        return normed


class _MLP(nn.Sequential):
    """One hidden layer, over the last dimension."""

    def __init__(self, before: int, hidden: int, after: int, dropout: float) -> None:
        super().__init__(nn.Linear(before, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, after))

    def forward(self, x: Tensor) -> Tensor:
        drop: Any
        hidden, _, drop, after = self
        answer: Tensor = after(rectify_and_drop(hidden(x), drop.p, drop.training))
        return answer


def _patches(images: Tensor, patch: int) -> Tensor:
    """(N, C, H, W) to (N, patches, C * patch * patch), patches row by row."""
    count, channels, height, width = images.shape
    tiles = images.reshape(count, channels, height // patch, patch, width // patch, patch)
    return torch.permute(tiles, (0, 2, 4, 1, 3, 5)).reshape(count, -1, channels * patch * patch)
