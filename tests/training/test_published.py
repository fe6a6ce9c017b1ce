"""A teacher that was trained elsewhere teaches through its exported model, as the same teacher."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from export.publish import publish
from training.execution import Execution
from training.loop import Task, train
from training.material import Material
from training.progress import Silent
from training.published import find_published
from training.recipe import Recipe
from training.runs import RunError, open_run
from training.teacher import Teacher


@pytest.fixture
def teacher(toy_data: Path, recipe: Recipe, execution: Execution) -> Recipe:
    """A network that was trained and then exported into ./models."""
    run = train(Task(recipe), execution=execution, watcher=Silent())
    assert run is not None
    publish(run, Path("models"), formats=("onnx",))
    return recipe


@pytest.fixture
def student(teacher: Recipe) -> Recipe:
    return replace(
        teacher, name="student", teacher=teacher.name, distillation={"weight": 0.9, "temperature": 2.0},
        augment={"alternating-flip": {}},
    )


def edit(change: Callable[[dict[str, Any]], object], version: int = 1) -> None:
    """Change the card of the exported teacher."""
    path = Path(f"models/toy/{version}/card.json")
    card = json.loads(path.read_bytes())
    change(card)
    path.write_text(json.dumps(card))


def test_a_student_learns_from_an_exported_model_whose_run_is_not_here(
    teacher: Recipe, student: Recipe, execution: Execution
) -> None:
    run = open_run(Task(teacher).folder)
    assert run is not None
    shutil.rmtree(Task(teacher).folder)

    taught = train(Task(student), execution=execution, watcher=Silent())

    assert taught is not None
    assert taught.validation_accuracy > 0.9
    (session,) = taught.result["sessions"]
    assert session["teacher"] == {
        "recipe": "toy", "seed": 0, "validation_accuracy": run.validation_accuracy,
        "weights_sha256": json.loads(Path("models/toy/1/card.json").read_bytes())["training"]["weights_sha256"],
    }


def test_the_exported_model_answers_as_its_run_does(teacher: Recipe, student: Recipe, execution: Execution) -> None:
    material = Material.load(student, student.protocol("clean"), seed=0, device=torch.device("cpu"))
    everybody = torch.arange(len(material.batches.labels))

    by_run = Teacher(student, material, execution).ask().answers(everybody)
    shutil.rmtree(Task(teacher).folder)
    by_file = Teacher(student, material, execution).ask().answers(everybody)

    torch.testing.assert_close(by_file.exp(), by_run.exp(), rtol=0, atol=1e-5)


def test_a_run_begun_with_an_exported_model_goes_on_with_it_when_there_is_a_newer_one(
    teacher: Recipe, student: Recipe, execution: Execution
) -> None:
    shutil.rmtree(Task(teacher).folder)
    assert train(Task(student), execution=execution, watcher=Silent(), deadline=0) is None
    shutil.copytree("models/toy/1", "models/toy/2")
    edit(lambda card: card["training"].update(weights_sha256="another"), version=2)

    taught = train(Task(student), execution=execution, watcher=Silent())

    assert taught is not None
    assert [session["teacher"]["weights_sha256"] != "another" for session in taught.result["sessions"]] == [True, True]


def test_the_newest_version_teaches_and_folders_without_a_graph_are_passed_over(teacher: Recipe) -> None:
    shutil.copytree("models/toy/1", "models/toy/12")
    shutil.copytree("models/toy/1", "artifacts/toy/2")
    Path("models/toy/13").mkdir()
    Path("models/toy/13/card.json").write_text("{}")
    Path("models/toy/notes").mkdir()
    Path("models/toy/notes/card.json").write_text("no card")

    assert [found.version for found in find_published(teacher.name)] == [12, 2, 1]


@pytest.mark.parametrize(("change", "complaint"), [
    (lambda card: card["classes"].reverse(), "knows other classes than fashion-mnist, or has them in another order"),
    (lambda card: card["input"].update(height=32), r"takes images of \(32, 28, 1\)"),
    (lambda card: card["files"][0].update(sha256="0" * 64), "is not the file that its card describes"),
])
def test_an_exported_model_that_cannot_teach_this_is_refused_with_the_reason(
    student: Recipe, execution: Execution, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    edit(change)
    shutil.rmtree(Task(replace(student, name="toy", teacher="", distillation={}, augment={})).folder.parents[2])

    with pytest.raises(RunError, match=f"student cannot learn from toy: .*{complaint}"):
        train(Task(student), execution=execution, watcher=Silent())


def test_an_imported_model_has_no_run_and_goes_by_the_hash_of_its_file(teacher: Recipe) -> None:
    edit(lambda card: card.pop("training"))

    (found,) = find_published(teacher.name)

    assert found.record["weights_sha256"] == hashlib.sha256(found.graph.read_bytes()).hexdigest()
    assert found.record["validation_accuracy"] == -1
