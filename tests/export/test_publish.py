"""Publishing is tried on a real run: a toy network trained in a second on toy images that lie as IDX files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import half
from export import publish as publishing
from export.__main__ import chosen
from export.parity import ParityError
from export.publish import ExportRefusedError, publish
from service.card import read_card, verify_files
from service.runtimes import open_model
from training.datasets import Split, load_split
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.protocol import Protocol
from training.recipe import Recipe
from training.runs import Run


def in_the_order_of_the_classes(split: Split) -> Split:
    """As a folder of class folders has them."""
    order = np.argsort(split.labels, kind="stable")
    return Split(split.images[order], split.labels[order], split.sha256)


@pytest.fixture
def run(recipe: Recipe, toy_data: Path, execution: Execution) -> Run:
    finished = train(Task(replace(recipe, epochs=2)), execution=execution, watcher=Silent())
    assert finished is not None
    return finished


def test_a_published_artifact_holds_what_its_card_says(run: Run, tmp_path: Path) -> None:
    done = publish(run, tmp_path / "models", formats=("onnx", "torchscript", "pt2"))

    card = read_card(done.folder)
    verify_files(done.folder, card)
    assert (done.folder.name, done.existed) == ("1", False)
    assert {file.format for file in card.files} == {"onnx", "torchscript", "pt2"}
    assert card.recipe["name"] == "toy"
    assert card.training["fingerprint"] == run.recipe.fingerprint
    assert card.macs == 784 * 32 + 32 * 10


def test_the_cards_accuracy_is_what_the_file_scores_on_the_whole_test_split(run: Run, tmp_path: Path) -> None:
    done = publish(run, tmp_path / "models", formats=("onnx",))
    test = load_split("fashion-mnist", "test")

    answers = open_model("onnxruntime", done.folder / "model.onnx")(test.images).argmax(axis=1)

    assert done.card.score is not None
    assert done.card.score.count == len(test.labels)
    assert done.card.score.correct == int((answers == test.labels).sum())
    assert done.card.score.low < done.card.score.accuracy <= done.card.score.high


def test_golden_vectors_end_in_black_and_white_and_are_not_from_the_test_split(run: Run, tmp_path: Path) -> None:
    done = publish(run, tmp_path / "models", formats=("onnx",))

    with np.load(done.folder / "golden.npz") as golden:
        images, answers = golden["images"], golden["probabilities"]

    assert len(images) == len(answers) == done.card.golden.count == 64
    assert (images[-2].max(), images[-1].min()) == (0, 255)
    test = {image.tobytes() for image in load_split("fashion-mnist", "test").images}
    assert not test & {image.tobytes() for image in images}


def test_a_file_is_compared_on_images_of_all_classes_where_they_lie_class_by_class(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_train = in_the_order_of_the_classes(load_split("fashion-mnist", "train"))
    monkeypatch.setattr(publishing, "load_split", lambda *_: sorted_train)
    label_of = {image.tobytes(): label for image, label in
                zip(sorted_train.images, sorted_train.labels.tolist(), strict=True)}
    asked: list[np.ndarray] = []
    honest = publishing.check_parity
    monkeypatch.setattr(publishing, "check_parity",
                        lambda *given, images, **more: asked.append(images) or honest(*given, images=images, **more))

    publish(run, tmp_path / "models", formats=("onnx",))

    assert {label_of[image.tobytes()] for image in asked[0]} == set(range(10))


def test_without_held_out_images_rounding_is_judged_on_all_classes_where_they_lie_class_by_class(
    toy_data: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_train = in_the_order_of_the_classes(load_split("fashion-mnist", "train"))
    monkeypatch.setattr(half, "load_split", lambda *_: sorted_train)
    monkeypatch.setattr(half, "IMAGES", 50)
    theirs = replace(recipe, report=Protocol(held_out=0, watches="test", tests_on="test"))

    images, labels, where = half._held_out(Run(toy_data, theirs, 0, "report", {}))

    assert (len(images), where) == (50, "training images")
    assert np.bincount(labels).tolist() == [5] * 10


def test_the_graph_carries_its_own_story(run: Run, tmp_path: Path) -> None:
    done = publish(run, tmp_path / "models", formats=("onnx",))

    inside = {entry.key: entry.value for entry in onnx.load(done.folder / "model.onnx").metadata_props}

    assert inside["name"] == "toy"
    assert inside["recipe_fingerprint"] == run.recipe.fingerprint
    assert inside["classes"].split("\n") == list(done.card.classes)


def test_publishing_the_same_weights_again_changes_nothing(run: Run, tmp_path: Path) -> None:
    first = publish(run, tmp_path / "models", formats=("onnx",))

    again = publish(run, tmp_path / "models", formats=("onnx",))

    assert (again.folder, again.existed) == (first.folder, True)


def test_another_format_or_other_weights_make_the_next_version(run: Run, tmp_path: Path) -> None:
    publish(run, tmp_path / "models", formats=("onnx",))

    second = publish(run, tmp_path / "models", formats=("onnx", "torchscript"))

    assert second.folder.name == "2"
    assert second.card.version == 2


def test_a_run_below_its_floor_is_refused_by_the_amount_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    hopeless = replace(run, recipe=replace(run.recipe, floor=1.0, name="toy"))
    with torch.no_grad():
        weights = {name: torch.zeros_like(value) for name, value in run.load_weights().items()}
    torch.save(weights, run.weights)

    with pytest.raises(ExportRefusedError, match=r"accuracy 10\.00% is 90\.00 points below its floor 100\.00%"):
        publish(hopeless, tmp_path / "models", formats=("onnx",))

    assert list((tmp_path / "models").rglob("*.onnx")) == []
    assert list((tmp_path / "models" / "toy").iterdir()) == []


def test_a_failed_parity_gate_publishes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = publishing.to_onnx

    def wrong(module, example, path, metadata) -> None:  # an exporter that scales pixels once too often
        module.scale /= 255
        honest(module, example, path, metadata)
        module.scale *= 255

    monkeypatch.setattr(publishing, "to_onnx", wrong)

    with pytest.raises(ParityError, match="differ from eager"):
        publish(run, tmp_path / "models", formats=("onnx",))

    assert list((tmp_path / "models" / "toy").iterdir()) == []


def test_an_unfinished_artifact_is_passed_over(run: Run, tmp_path: Path) -> None:
    first = publish(run, tmp_path / "models", formats=("onnx",))
    (first.folder / "card.json").unlink()

    assert publish(run, tmp_path / "models", formats=("onnx",)).folder.name == "2"


def test_names_globs_and_all_choose_recipes() -> None:
    assert chosen(["fm000-l*"]) == ["fm000-linear"]
    assert chosen(["fm-fast", "fm-fast", "nonsense"]) == ["fm-fast", "nonsense"]
    assert len(chosen(["all"])) > 3
