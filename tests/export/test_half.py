"""Storing weights as float16 halves a file, and what is compared, served and checked is one and the same network."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export import half
from export.half import RoundingError
from export.publish import publish
from service.runtimes import open_model
from training.architectures.fastnet import FastNet
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe
from training.runs import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def run(recipe: Recipe, toy_data: Path, execution: Execution) -> Run:
    finished = train(Task(replace(recipe, epochs=2)), execution=execution, watcher=Silent())
    assert finished is not None
    return finished


def test_half_a_file_is_the_rounded_network_to_the_last_digit_and_a_version_of_its_own(
    run: Run, tmp_path: Path
) -> None:
    whole = publish(run, tmp_path / "models", formats=("onnx",))
    halved = publish(run, tmp_path / "models", formats=("onnx",), half=True)

    assert [done.folder.name for done in (whole, halved)] == ["1", "2"]
    assert publish(run, tmp_path / "models", formats=("onnx",), half=True).existed
    sizes = [done.card.files[0].size_bytes for done in (whole, halved)]
    assert sizes[1] < 0.6 * sizes[0]
    assert halved.card.parity[0].max_abs_diff < 1e-6
    with np.load(halved.folder / "golden.npz") as golden:
        answers = open_model("onnxruntime", halved.folder / "model.onnx")(golden["images"])
        np.testing.assert_allclose(answers, golden["probabilities"], atol=1e-6)
    rounding = halved.card.training["rounding"]
    assert (rounding["stored"], rounding["on"], rounding["images"]) == ("float16", "held-out images", 100)
    assert rounding["agreement"] >= half.AGREEMENT


@pytest.mark.parametrize(("added", "says"), [(1e6, "beyond float16's 65,504"), (2000.0, "answers stay")])
def test_a_network_that_rounding_changes_is_refused_and_leaves_nothing(
    run: Run, tmp_path: Path, added: float, says: str
) -> None:
    weights = run.load_weights()
    name = [name for name, value in weights.items() if value.dim() == 2][-1]
    weights[name] = weights[name] + added  # the same for every class: no answer changes until it is rounded
    torch.save(weights, run.weights)

    with pytest.raises(RoundingError, match=says):
        publish(run, tmp_path / "models", formats=("onnx",), half=True)

    assert list((tmp_path / "models").rglob("*.onnx")) == []


def test_a_folded_batch_norm_leaves_no_weight_in_full(
    recipe: Recipe, toy_data: Path, execution: Execution, tmp_path: Path
) -> None:
    shape = {"stem": 16, "widths": (16,), "activation": "relu", "pooled": False, "hidden": 16}
    run = train(Task(replace(recipe, architecture="fastnet", shape=shape)), execution=execution, watcher=Silent())
    assert run is not None

    done = publish(run, tmp_path / "models", formats=("onnx",), half=True)

    weights = [one for one in onnx.load(done.folder / "model.onnx").graph.initializer if one.name.startswith("network")]
    assert {one.data_type for one in weights if len(one.dims) > 1} == {onnx.TensorProto.FLOAT16}
    assert done.card.training["rounding"]["agreement"] >= half.AGREEMENT


def test_folding_changes_no_answer_by_more_than_float32_does() -> None:
    network = FastNet((1, 8, 8), 3, stem=16, widths=(16, 16), pooled=False, hidden=16)
    for _ in range(3):
        network(torch.randn(64, 1, 8, 8))  # means and variances to fold
    images = torch.randn(32, 1, 8, 8)
    with torch.no_grad():
        before = network.eval()(images)
        half.fold_batch_norms(network)
        after = network(images)

    assert not any(isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d) for layer in network.modules())
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)


def test_only_what_float16_holds_exactly_is_stored_so() -> None:
    exact, not_exact = np.full((4, 4), 0.5, np.float32), np.full((4, 4), 0.1, np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "a"], ["y"]), onnx.helper.make_node("MatMul", ["y", "b"], ["z"])], "toy",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 4])],
        [onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["n", 4])],
        [onnx.numpy_helper.from_array(exact, "a"), onnx.numpy_helper.from_array(not_exact, "b")],
    )
    model = onnx.helper.make_model(graph)

    assert half.store_as_half(model) == 32

    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds == {"a.half": onnx.TensorProto.FLOAT16, "b": onnx.TensorProto.FLOAT}
