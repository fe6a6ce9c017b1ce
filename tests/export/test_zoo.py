"""One command trains what is missing, exports what is finished, and leaves out, aloud, what has no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from export.__main__ import main
from export.zoo import plan
from service.card import read_card, verify_files
from service.splits import Split
from training import catalogue
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe
from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS

Out = pytest.CaptureFixture[str]


@pytest.fixture
def toys(recipe: Recipe, toy_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Recipe]]:
    """Two recipes in the place of all, one of them without data."""
    recipes = {
        "toy": replace(recipe, epochs=1, floor=0.0),
        "toy-cifar": replace(recipe, name="toy-cifar", dataset="cifar10", normalization=RECIPES["cf003"].normalization),
    }
    kept = [(table, dict(table)) for table in (RECIPES, VARIANTS)]  # whose order is the order of every list
    for table, _ in kept:
        table.clear()
    RECIPES.update(recipes)
    assert dict(EVERY_RECIPE) == recipes
    monkeypatch.setattr("export.zoo.FOLDER", toy_data)  # no results yet
    monkeypatch.setattr(catalogue, "RECIPES", RECIPES)
    yield recipes
    for table, former in kept:
        table.clear()
        table.update(former)


def test_the_zoo_trains_exports_and_says_how_to_serve(toys: dict[str, Recipe], tmp_path: Path, capsys: Out) -> None:
    assert main(["zoo", "--to", "zoo", "--format", "onnx", "torchscript"]) == 0

    card = read_card(tmp_path / "zoo" / "toy" / "1")
    verify_files(tmp_path / "zoo" / "toy" / "1", card)
    assert {file.format for file in card.files} == {"onnx", "torchscript"}
    assert Split.find(tmp_path / "zoo" / "splits" / "fashion-mnist-test").card.count == 100
    said = capsys.readouterr().out
    assert "to train: nobody has measured how long" in said
    assert "left out: cifar10 is not here" in said
    assert "WEIGHBRIDGE_MODELS=zoo:models make serve" in said

    assert main(["zoo", "toy", "--to", "zoo", "--format", "onnx"]) == 0  # a second time nothing is left to do

    said = capsys.readouterr().out
    assert "finished: seed 0, clean protocol" in said
    assert "already published: zoo/toy/1" in said


def test_a_run_under_the_report_s_protocol_will_do_where_there_is_no_clean_one(
    toys: dict[str, Recipe], execution: Execution
) -> None:
    toy = RECIPES["toy"] = replace(toys["toy"], report=toys["toy"].protocol("clean"))  # until the tables are restored
    train(Task(toy, protocol="report"), execution=execution, watcher=Silent())

    (item,) = plan(["toy"])

    assert item.state == "finished: seed 0, report protocol"


def test_the_plan_alone_trains_nothing(toys: dict[str, Recipe], tmp_path: Path, capsys: Out) -> None:
    assert main(["zoo", "--plan"]) == 0

    assert "1 of unknown length" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "artifacts").exists()


def test_the_plan_tells_how_long_training_takes_by_the_committed_results(
    data_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr("export.zoo.available", lambda dataset: True)

    assert main(["zoo", "fm001-mixer", "fm002-ann", "--plan"]) == 0

    said = capsys.readouterr().out
    assert "to train: about" in said
    assert said.index("fm002-ann") < said.index("fm001-mixer")  # the quickest first
    assert "2 to train: " in said


def test_where_no_data_is_here_it_says_how_to_get_it(toys: dict[str, Recipe], tmp_path: Path, capsys: Out) -> None:
    assert main(["zoo", "toy-cifar", "--to", "zoo"]) == 1

    assert "cifar10 is not here" in (said := capsys.readouterr().out)
    assert "python -m training --download cifar10" in said
    assert not (tmp_path / "zoo").exists()


def test_a_name_that_was_meant_otherwise_is_told_before_hours_of_training(capsys: Out) -> None:
    assert main(["fm-fasst"]) == 1

    assert "did you mean fm-fast" in capsys.readouterr().out


def test_an_unknown_name_is_told_with_its_neighbours(capsys: Out) -> None:
    assert main(["zoo", "fm-fats"]) == 2

    assert "no recipe is called 'fm-fats'; did you mean fm-fast" in capsys.readouterr().out
