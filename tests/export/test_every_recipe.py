"""Every recipe's network passes the gates that its trained run will have to pass, as ONNX and as TorchScript.

Untrained, with batch statistics that are not the initial ones, so that folding them wrongly would show.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from export import parity
from export.golden import clouds
from export.parity import check_parity
from export.to_onnx import to_onnx
from export.to_torch import to_torchscript
from export.wrapped import Wrapped
from training.architectures import ARCHITECTURES, build_network
from training.datasets import DATASETS
from training.recipe import Recipe
from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS

COSTLY = "fm002-next-googlenet"
QUICK = ("fm-fast-small", "fm000-relu", "fm000-tinyvgg", "fm001-mixer")


def one_per_network() -> list[str]:
    """A recipe for every kind of network: what differs only in training, in its data or in widths adds no node.

    Without GoogLeNet, which passes too and takes as long to export as all of the reports' networks.
    """
    every = [(name, recipe) for name, recipe in (*RECIPES.items(), *VARIANTS.items()) if name != COSTLY]
    networks = {_kind(recipe): name for name, recipe in reversed(every)}
    return sorted(networks.values())


def _kind(recipe: Recipe) -> tuple[object, ...]:
    shape = {key: value for key, value in recipe.shape.items() if key not in ("hidden", "widths", "stem", "dropout")}
    return recipe.architecture, str(shape)


def test_no_architecture_is_left_out() -> None:
    assert {EVERY_RECIPE[name].architecture for name in [*one_per_network(), COSTLY]} == set(ARCHITECTURES)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in one_per_network()
])
def test_a_recipe_s_network_passes_parity_in_both_formats(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = EVERY_RECIPE[name]
    torch.manual_seed(0)
    network = build_network(replace(recipe, init="default"))
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    module = Wrapped(network, *recipe.normalization).eval()
    images = clouds(64, DATASETS[recipe.dataset].shape)
    monkeypatch.setattr(parity, "BATCHES", (1, 3))  # the sizes themselves are tried in test_to_onnx.py

    def eager(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            answers: NDArray[np.float32] = module(torch.from_numpy(batch.copy())).numpy()
        return answers

    example = torch.from_numpy(images[:2].copy())
    to_onnx(module, example, tmp_path / "model.onnx", {})
    to_torchscript(module, example, tmp_path / "model.pt")

    for format, runtime, file in (("onnx", "onnxruntime", "model.onnx"), ("torchscript", "torchscript", "model.pt")):  # noqa: A001
        found = check_parity(eager, tmp_path / file, format=format, runtime=runtime, images=images)
        assert found.top1_disagreements == 0
