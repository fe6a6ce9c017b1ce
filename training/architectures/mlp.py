"""Flatten, then linear layers: the networks of reports 000 (linear, ReLU), 002 (ANN) and 004."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module] | None] = {
    "none": None,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class MLP(nn.Module):
    """Linear layers of `hidden` widths and one to the classes.

    After each hidden layer: the activation, batch normalisation if asked for, dropout if its probability is not 0.
    That is the order report 002 prints for its dense head; `norm_first` normalises before the activation, as the paper
    on batch normalisation does (Ioffe and Szegedy, arXiv 1502.03167). `output_relu` puts a ReLU on the logits: a slip
    that report 000 may contain, kept because it shows how a class dies.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        classes: int,
        *,
        hidden: Sequence[int],
        activation: str = "relu",
        batch_norm: bool = False,
        norm_first: bool = False,
        dropout: float = 0.0,
        output_relu: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
        channels, height, width = image
        layers: list[nn.Module] = [nn.Flatten()]
        before = channels * height * width
        for after in hidden:
            layers.append(nn.Linear(before, after))
            norm = [nn.BatchNorm1d(after)] if batch_norm else []
            kind = ACTIVATIONS[activation]
            activated = [] if kind is None else [kind()]
            layers += [*norm, *activated] if norm_first else [*activated, *norm]
            if dropout:
                layers.append(nn.Dropout(dropout))
            before = after
        layers.append(nn.Linear(before, classes))
        if output_relu:
            layers.append(nn.ReLU())
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.layers(images)
        return logits
