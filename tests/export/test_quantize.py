"""Quantising is tried on a real artifact of a toy run: what the gates let through is served, what they refuse leaves a
reason. How quick int8 is here depends on the machine, so the tests say it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image
from process import running

from export import quantize as quantizing
from export import quantize_gate
from export.__main__ import main
from export.publish import publish
from export.quantize import names_in, quantize_artifact
from export.quantize_gate import QuantizeRefusedError, Speed, compare_accuracy, refuse_less_accurate
from service.card import CardError, read_card, verify_files, write_card
from service.runtimes import RuntimeUnavailable, open_model
from service.runtimes.turns import Ratio
from service.shelf import check_golden
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe

pytestmark = pytest.mark.slow


def took(int8: float, control: float = 1.0) -> Callable[..., list[Speed]]:
    """A clock by which int8 takes that share of float32's time."""
    def ratio(at: float) -> Ratio:
        return Ratio(at, at * 0.99, at * 1.01, 40)

    return lambda *_: [Speed(size, 100.0, ratio(int8), ratio(control)) for size in (1, 8)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the trained artifact for the others."""
    return tmp_path_factory.mktemp("kept") / "toy"


@pytest.fixture
def artifact(recipe: Recipe, toy_data: Path, execution: Execution, tmp_path: Path, kept: Path) -> Path:
    if not kept.exists():
        finished = train(Task(replace(recipe, epochs=3)), execution=execution, watcher=Silent())
        assert finished is not None
        publish(finished, kept.parent, formats=("onnx",))
    return Path(shutil.copytree(kept, tmp_path / "models" / "toy")) / "1"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred held-out images rule out no small loss."""
    monkeypatch.setattr(quantize_gate, "MOST_LOSS", 0.15)


def record(root: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((root / "quantized" / "toy-1.json").read_text())
    return told


@pytest.mark.usefixtures("few")
def test_what_is_quicker_and_as_accurate_becomes_the_next_version_and_is_served_over_http(
    artifact: Path, tmp_path: Path
) -> None:
    root = artifact.parent.parent
    done = quantize_artifact("toy", root, [root], clock=took(0.5))

    assert done.folder == root / "toy" / "2"
    card = read_card(done.folder)
    verify_files(done.folder, card)
    assert [file.format for file in card.files] == ["onnx", "onnx-int8"]
    assert (artifact / "model.onnx").read_bytes() == (done.folder / "model.onnx").read_bytes()
    assert card.training["quantised"]["from"] == "toy@1"
    before, after = card.score_of("onnx"), card.score_of("onnx-int8")
    assert before is not None
    assert after is not None
    assert before.split_sha256 == after.split_sha256
    assert before.runtime.startswith("onnxruntime ")
    assert after.runtime.startswith("onnxruntime-int8 ")
    assert record(root)["chosen"] == card.training["quantised"]["plan"]
    assert quantize_artifact("toy", root, [root], clock=took(0.5)).existed

    with np.load(done.folder / "golden.int8.npz") as golden:
        image, expected = golden["images"][0], golden["probabilities"][0]
    picture = io.BytesIO()
    Image.fromarray(image[..., 0]).save(picture, "png")
    with running(root, tmp_path / "home") as server, httpx.Client(base_url=server.url) as client:
        asked = client.post("/predict?model=toy@2&runtime=onnxruntime-int8&top_k=1", content=picture.getvalue(),
                            headers={"Content-Type": "image/png"})
        without = client.post("/predict?model=toy@1&runtime=onnxruntime-int8", content=picture.getvalue(),
                              headers={"Content-Type": "image/png"})
    assert asked.status_code == 200, asked.text
    answer = asked.json()
    assert answer["runtime"] == "onnxruntime-int8"
    assert answer["predictions"][0]["probability"] == pytest.approx(expected.max(), abs=1e-5)
    assert without.status_code == 409
    assert "was not exported as onnx-int8" in without.json()["detail"]


@pytest.mark.usefixtures("few")
def test_a_planted_bad_quantisation_is_refused_by_accuracy_and_leaves_only_the_reason(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = quantizing.quantize

    def with_weights_in_wrong_places(source: Path, target: Path, images: NDArray[np.uint8], plan: str) -> None:
        honest(source, target, images, plan)
        model = onnx.load(target)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2:
                weights = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.roll(weights, 3, axis=(0, 1)), tensor.name))
        onnx.save(model, target)

    monkeypatch.setattr(quantizing, "quantize", with_weights_in_wrong_places)
    root = artifact.parent.parent

    with pytest.raises(QuantizeRefusedError, match=r"toy@1 stays float32\. .*accuracy goes from .* answers lost"):
        quantize_artifact("toy", root, [root], clock=took(0.1))

    assert sorted(path.name for path in root.iterdir()) == ["quantized", "toy"]
    assert [path.name for path in (root / "toy").iterdir()] == ["1"]
    told = record(root)
    assert told["chosen"] is None
    assert any(each["speed"] == [] and "answers lost" in each["refused"] for each in told["tried"])


@pytest.mark.usefixtures("few")
def test_what_is_not_clearly_quicker_is_refused_with_the_figure(artifact: Path, tmp_path: Path) -> None:
    root = artifact.parent.parent
    clocks = {
        r"int8 is slower: 1\.20 \[1\.19, 1\.21\] of float32's time at one image": took(1.2),
        "int8 is not clearly quicker": took(0.99),
        "this machine is too restless to say": took(0.5, control=1.3),
    }

    for reason, clock in clocks.items():
        with pytest.raises(QuantizeRefusedError, match=reason):
            quantize_artifact("toy", root, [root], clock=clock, results=tmp_path / "results")

    assert not (root / "toy" / "2").exists()
    assert [path.name for path in (tmp_path / "results").rglob("*.json")] == ["toy-1.json"]


def test_a_loss_that_was_looked_at_too_briefly_is_not_ruled_out() -> None:
    labels = np.zeros(100, np.int64)

    with pytest.raises(QuantizeRefusedError, match=r"a loss of .* points is possible, at most 0\.5 may be"):
        refuse_less_accurate(compare_accuracy(labels, labels, labels))

    many = np.zeros(5000, np.int64)
    refuse_less_accurate(compare_accuracy(many, many, many))
    lost = many.copy()
    lost[:40] = 1
    with pytest.raises(QuantizeRefusedError, match=r"40 answers lost, 0 gained"):
        refuse_less_accurate(compare_accuracy(many, lost, many))


def test_what_held_no_images_out_or_does_not_say_is_refused(artifact: Path) -> None:
    root, card = artifact.parent.parent, read_card(artifact)

    write_card(artifact, card.model_copy(update={"recipe": {}}))
    with pytest.raises(QuantizeRefusedError, match="says nothing of its training"):
        quantize_artifact("toy", root, [root])

    whole = {"held_out": 0, "watches": "test", "tests_on": "test"}
    write_card(artifact, card.model_copy(update={"recipe": card.recipe | {"report": whole},
                                                 "training": card.training | {"protocol": "report"}}))
    with pytest.raises(QuantizeRefusedError, match="trained on the whole train split"):
        quantize_artifact("toy", root, [root])


@pytest.mark.usefixtures("few")
def test_a_machine_on_which_the_bytes_saturate_is_refused_by_the_files_own_golden_vectors(artifact: Path) -> None:
    root = artifact.parent.parent
    done = quantize_artifact("toy", root, [root], clock=took(0.5))
    run = open_model("onnxruntime-int8", done.folder / "model.int8.onnx")

    class Saturating:
        name, version, device, threads = run.name, run.version, run.device, run.threads

        def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.roll(run(images), 1, axis=1)

    check_golden(done.folder, done.card, run)
    with pytest.raises(CardError, match=r"golden vectors differ by .* on onnxruntime-int8 \(cpu\)"):
        check_golden(done.folder, done.card, Saturating())
    with pytest.raises(RuntimeUnavailable, match="onnxruntime-int8 runs on cpu"):
        open_model("onnxruntime-int8", done.folder / "model.int8.onnx", device="cuda")


def test_the_command_finds_artifacts_by_glob_and_reports_a_name_that_is_none(
    artifact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = artifact.parent.parent
    shutil.copytree(root / "toy", root / "toy-too")
    monkeypatch.setattr("export.__main__.BUNDLE", tmp_path / "no-bundle")

    assert names_in(["t*", "nobody"], [root]) == ["toy", "nobody"]  # a card that lies under another name is none
    assert main(["quantize", "nobody", "--to", str(root)]) == 1
    assert "refused: no artifact nobody under" in " ".join(capsys.readouterr().out.split())
    assert main(["quantize", "--to", str(root)]) == 2
