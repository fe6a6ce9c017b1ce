"""A step that is replayed as a CUDA graph learns what a step that is launched piece by piece learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.batches import Batches
from training.datasets import load_split
from training.execution import Execution, can_be_graphed, choose
from training.graphed import Graphed
from training.learner import Learner
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe
from training.recipes import RECIPES

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")

NETWORKS: dict[str, dict[str, object]] = {
    "dropout and Adam": {"optimizer": "adam", "lr": 1e-3},
    "SGD": {"optimizer": "sgd", "lr": 0.1},
    "Muon": {
        "optimizer": "muon", "lr": 0.1, "momentum": 0.6, "weight_decay": 0.0, "optimizer_options": {"others": 0.01},
        "architecture": "fastnet", "shape": {"stem": 16, "widths": (16, 32), "activation": "relu"},
    },
}


@pytest.fixture
def cuda(execution: Execution) -> Execution:
    """The toy execution, on the GPU."""
    return replace(execution, device="cuda", fused=True)


@needs_cuda
@pytest.mark.parametrize("changes", NETWORKS.values(), ids=[*NETWORKS])
def test_a_replayed_step_gives_the_bits_of_a_launched_one(
    toy_data: Path, recipe: Recipe, cuda: Execution, changes: dict[str, object]
) -> None:
    recipe = replace(recipe, **changes)  # type: ignore[arg-type]

    launched, replayed = (_learned(recipe, replace(cuda, graphed=graphed)) for graphed in (False, True))

    assert launched.keys() == replayed.keys()
    for name, value in launched.items():
        assert torch.equal(value, replayed[name]), name


@needs_cuda
def test_a_run_that_was_interrupted_ends_in_the_same_weights(
    toy_data: Path, recipe: Recipe, cuda: Execution, tmp_path: Path
) -> None:
    whole = train(Task(recipe, root=tmp_path / "a"), execution=replace(cuda, graphed=True), watcher=Silent())
    broken = Task(recipe, root=tmp_path / "b")
    while (resumed := train(broken, execution=replace(cuda, graphed=True), watcher=Silent(), deadline=0)) is None:
        pass

    assert whole is not None
    assert whole.result["weights_sha256"] == resumed.result["weights_sha256"]


def test_other_shapes_than_the_first_are_called_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", _Tape)
    monkeypatch.setattr(torch.cuda, "graph", _Taping)
    called: list[int] = []

    def double(images: Tensor, labels: Tensor | None) -> tuple[Tensor]:
        called.append(len(images))
        return (images * 2,)

    graphed = Graphed(double)
    for size in (4, 4, 4, 4, 3, 4):
        graphed(torch.ones(size), None)

    assert called == [4, 4, 4, 3]  # twice to warm up, once to record; and the odd one


def test_networks_with_state_on_the_cpu_are_not_recorded(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("training.execution.has_bf16", lambda _: True)

    assert choose(RECIPES["cf003"]).graphed
    assert not choose(replace(recipe, optimizer="adagrad")).graphed
    assert not choose(RECIPES["cf003"], device="cpu").graphed
    assert not can_be_graphed(replace(recipe, optimizer="asgd"))


def _learned(recipe: Recipe, execution: Execution) -> dict[str, Tensor]:
    """The weights after two epochs of which each ends in a smaller batch."""
    execution.apply()
    train_split = load_split(recipe.dataset, "train")
    batches = Batches(train_split.images, train_split.labels, replace(recipe, batch_size=70), seed=0,
                      device=execution.torch_device)
    learner = Learner(recipe, execution, seed=0, steps=2 * len(batches))
    for epoch in range(2):
        learner.begin_epoch(0, epoch)
        order = batches.order(epoch)
        for number in range(len(batches)):
            learner.step(*batches.load(order, epoch, number))
    return learner.weights()


class _Tape:
    def replay(self) -> None:
        """Nothing: no kernel was recorded."""


class _Taping:
    def __init__(self, graph: _Tape, **_: Callable[..., object]) -> None:
        self.graph = graph

    def __enter__(self) -> None:
        """Recording begins."""

    def __exit__(self, *_: object) -> None:
        """Recording ends."""
