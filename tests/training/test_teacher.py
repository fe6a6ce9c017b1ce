"""A student learns from a finished run's answers, as well as from labels, and always from the same run."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from training import teacher as teachers
from training.architectures import build_network
from training.batches import to_input
from training.campaign import Campaign, _waves
from training.cpu import usable_cores
from training.execution import Execution
from training.loop import Task, train
from training.material import Material
from training.plan import How
from training.progress import Lines, Silent
from training.recipe import Recipe
from training.runs import Run, RunError, find_run
from training.teacher import Teacher, with_teacher


@pytest.fixture
def pair(toy_data: Path, recipe: Recipe, execution: Execution) -> tuple[Recipe, Recipe]:
    """A trained teacher, and a recipe that learns from it."""
    train(Task(recipe), execution=execution, watcher=Silent())
    student = replace(
        recipe, name="student", teacher=recipe.name, distillation={"weight": 0.9, "temperature": 2.0},
        augment={"alternating-flip": {}},
    )
    return recipe, student


def test_a_student_learns_from_its_teacher_and_says_from_which(
    pair: tuple[Recipe, Recipe], execution: Execution
) -> None:
    teacher, student = pair

    run = train(Task(student), execution=execution, watcher=Silent())

    assert run is not None
    assert run.validation_accuracy > 0.9
    (session,) = run.result["sessions"]
    assert session["teacher"]["recipe"] == teacher.name
    taught = json.loads((Task(teacher).folder / "result.json").read_text())
    assert session["teacher"]["weights_sha256"] == taught["weights_sha256"]


def test_a_teacher_answers_for_an_image_and_its_mirror_image_at_once_and_only_once(
    pair: tuple[Recipe, Recipe], execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, student = pair
    material = Material.load(student, student.protocol("clean"), seed=3, device=torch.device("cpu"))
    everybody = torch.arange(len(material.batches.labels))
    first = Teacher(student, material, execution).ask().answers(everybody)
    with monkeypatch.context() as without:
        without.setattr("training.teacher.build_network", None)  # it is not needed a second time
        again = Teacher(student, material, execution).ask().answers(everybody)

    assert torch.equal(first, again)
    assert (first.argmax(dim=1) == material.batches.labels).float().mean() > 0.9
    run = find_run(student.teacher)
    network = build_network(run.recipe)
    network.load_state_dict(run.load_weights())
    seen = to_input(material.batches.images[:1], student.normalization)
    both = torch.stack([network.eval()(view).softmax(dim=1) for view in (seen, seen.flip(-1))]).mean(dim=0)
    torch.testing.assert_close(first[:1].exp(), both, rtol=1e-4, atol=1e-6)


def test_asking_a_teacher_is_shown_where_there_is_something_to_ask(
    pair: tuple[Recipe, Recipe], execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, student = pair
    monkeypatch.setattr("training.teacher.PER_PASS", 100)
    first, second = (Console(record=True, width=200, file=io.StringIO()) for _ in range(2))

    train(Task(student), execution=execution, watcher=Lines(first))
    train(Task(student, seed=1), execution=execution, watcher=Lines(second))

    told = [line.strip() for line in first.export_text().splitlines() if "answers" in line]
    assert told == [f"toy answers: {done} of 600 images" for done in (200, 300, 500, 600)]
    assert "answers" not in second.export_text()


def test_a_run_goes_on_with_the_teacher_that_it_began_with_or_not_at_all(
    pair: tuple[Recipe, Recipe], execution: Execution
) -> None:
    teacher, student = pair
    assert train(Task(student), execution=execution, watcher=Silent(), deadline=0) is None
    result = Task(teacher).folder / "result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "weights_sha256": "another"}))

    with pytest.raises(ValueError, match="begun with another teacher; delete the folder"):
        train(Task(student), execution=execution, watcher=Silent())


def test_a_campaign_trains_teachers_first_whatever_the_order_of_the_names(recipe: Recipe, tmp_path: Path) -> None:
    student = replace(recipe, name="student", teacher="middle")
    middle = replace(recipe, name="middle", teacher=recipe.name)
    tasks = [Task(each, seed=seed, root=tmp_path) for each in (student, middle, recipe) for seed in (0, 1)]

    waves = [[task.recipe.name for task in wave] for wave in _waves(tasks)]

    assert waves == [["toy", "toy"], ["middle", "middle"], ["student", "student"]]


@pytest.mark.slow
def test_a_teacher_of_several_processes_is_asked_once_on_all_cores_before_they_begin(
    pair: tuple[Recipe, Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, student = pair
    asked: list[int] = []
    by_run = teachers._by_run

    def noted(run: Run, execution: Execution) -> object:
        asked.append(execution.threads)
        return by_run(run, execution)

    monkeypatch.setattr(teachers, "_by_run", noted)
    tasks = [Task(student, seed=seed) for seed in (0, 1)]
    screen = io.StringIO()

    outcome = Campaign(tasks, How(device="cpu", jobs=2, probe=False), Console(file=screen, width=200)).run()

    assert (outcome.left, outcome.failures) == (0, 0)
    assert asked == [usable_cores()]
    assert f"{student.teacher} answers 600 training images, once for all who learn from it" in screen.getvalue()
    results = [json.loads((task.folder / "result.json").read_text()) for task in tasks]
    assert {result["sessions"][0]["teacher"]["recipe"] for result in results} == {student.teacher}


def test_teachers_in_a_circle_are_told_and_not_waited_for(recipe: Recipe, tmp_path: Path) -> None:
    pair = [replace(recipe, name=name, teacher=other) for name, other in (("one", "two"), ("two", "one"))]

    assert [len(wave) for wave in _waves([Task(each, root=tmp_path) for each in pair])] == [2]


def test_a_run_goes_on_with_its_teacher_when_there_is_a_better_one_by_now(
    pair: tuple[Recipe, Recipe], execution: Execution
) -> None:
    teacher, student = pair
    assert train(Task(student), execution=execution, watcher=Silent(), deadline=0) is None
    first = json.loads((Task(teacher).folder / "result.json").read_text())
    better = shutil.copytree(Task(teacher).folder, Task(teacher, seed=1).folder)
    validation = {**first["validation"], "accuracy": 1.0}
    (better / "result.json").write_text(json.dumps({**first, "seed": 1, "validation": validation,
                                                    "weights_sha256": "another"}))

    run = train(Task(student), execution=execution, watcher=Silent())

    assert run is not None
    assert {session["teacher"]["weights_sha256"] for session in run.result["sessions"]} == {first["weights_sha256"]}


def test_a_student_without_a_trained_teacher_says_which_command_makes_one(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    student = replace(recipe, teacher="fm-fast", distillation={"weight": 0.9, "temperature": 2.0})

    with pytest.raises(RunError, match="-m training fm-fast"):
        train(Task(student), execution=execution, watcher=Silent())


def test_a_student_who_answers_as_the_teacher_does_has_nothing_left_to_learn_from_it() -> None:
    logits, loss = torch.randn(8, 10), torch.tensor(3.0)

    assert float(with_teacher(loss, logits, logits + 5, weight=1, temperature=4)) == pytest.approx(0, abs=1e-6)
    assert float(with_teacher(loss, logits, logits, weight=0, temperature=4)) == 3
