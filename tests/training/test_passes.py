"""A pass takes as many images as it always did, and fewer of large ones, so that its memory stays what it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export import half, quantize_gate
from export.accuracy import score_split
from training.datasets import DATASETS, Split
from training.loop import SAMPLE
from training.passes import at_once
from training.recipe import Normalization
from training.scoring import IMAGES_PER_PASS, score


class Seen(nn.Module):
    """Answers the first of two classes, and remembers how many images it was asked about at once."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.counts.append(len(images))
        return torch.tensor([[1.0, 0.0]]).expand(len(images), 2)


class Opened(Seen):
    """The same as a runtime."""

    name, version = "opened", "1"

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.forward(images).numpy()


@pytest.mark.parametrize("most", [250, IMAGES_PER_PASS, SAMPLE])
def test_images_of_the_reports_go_as_many_at_a_time_as_ever(most: int) -> None:
    assert {at_once(most, facts.height, facts.width) for facts in DATASETS.values()} == {most}


@pytest.mark.parametrize(("height", "width", "count"), [(32, 33, 969), (64, 64, 250), (224, 224, 20), (1024, 1024, 1)])
def test_a_pass_holds_the_pixels_of_a_thousand_small_images_and_at_least_one_large_one(
    height: int, width: int, count: int
) -> None:
    assert at_once(1000, height, width) == count
    assert at_once(1, height, width) == 1


@pytest.mark.parametrize(("side", "counts"), [(28, [50]), (224, [20, 20, 10])])
def test_scoring_takes_large_images_a_few_at_a_time_and_counts_them_all(side: int, counts: list[int]) -> None:
    network, images = Seen(), torch.zeros(50, 1, side, side, dtype=torch.uint8)

    found = score(network, images, torch.arange(50) % 2, Normalization((0.5,), (0.5,)))

    assert network.counts == counts
    assert (found.count, found.correct, found.confusion) == (50, 25, [[25, 0], [25, 0]])


def test_an_exported_file_and_a_rounded_network_are_asked_a_few_large_images_at_a_time() -> None:
    runtime, int8, network = Opened(), Opened(), Seen()
    images, labels = np.zeros((7, 224, 224, 3), np.uint8), np.zeros(7, np.int64)

    found = score_split(runtime, Split(images, labels, "0" * 64), dataset="large", split="test")
    quantize_gate.answers(int8, images)
    half._answers(network, images)

    assert (found.count, found.correct) == (7, 7)
    assert runtime.counts == int8.counts == network.counts == [5, 2]
