"""A network's answers on labelled images: counts, loss and the confusion matrix."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.batches import to_input
from training.passes import at_once
from training.recipe import Normalization

IMAGES_PER_PASS = 1000  # at most


@dataclass(frozen=True)
class Score:
    """`loss` is the mean cross entropy in nats; `confusion[true][answered]` counts images."""

    count: int
    correct: int
    loss: float
    confusion: list[list[int]]

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return self.correct / self.count

    def brief(self) -> dict[str, Any]:
        """What one line of a history holds."""
        return {"count": self.count, "correct": self.correct, "accuracy": self.accuracy, "loss": self.loss}

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {**asdict(self), "accuracy": self.accuracy}


@torch.no_grad()
def score(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    normalization: Normalization,
    *,
    computing: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Score:
    """Score uint8 images (N, C, H, W) and labels (N,) on their device; in fp32, as the exported graph, by default."""
    was_training = network.training
    network.eval()
    total = torch.zeros((), dtype=torch.float64, device=labels.device)
    answers = []
    each = at_once(IMAGES_PER_PASS, *images.shape[2:])
    for chunk, truth in zip(torch.split(images, each), torch.split(labels, each), strict=True):
        with computing():
            logits = network(to_input(chunk, normalization))
        total += functional.cross_entropy(logits.float(), truth, reduction="sum").double()
        answers.append(logits.argmax(dim=1))
    network.train(was_training)
    classes = logits.shape[1]
    pairs = (labels * classes + torch.cat(answers)).cpu()
    confusion = torch.bincount(pairs, minlength=classes * classes).view(classes, classes)
    return Score(
        count=len(labels),
        correct=int(confusion.diagonal().sum()),
        loss=float(total) / len(labels),
        confusion=confusion.tolist(),
    )
