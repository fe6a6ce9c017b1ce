"""A run learns, touches the test split when it may, writes its result last, and resumes in the same bits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training import checkpoint, material
from training.batches import to_planes
from training.datasets import load_split
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.protocol import Protocol
from training.recipe import Normalization, Recipe
from training.runs import Run
from training.scoring import score


class StopsAfter(Silent):
    """Presses Ctrl-C in the middle of an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        if epoch >= self.epochs:
            raise KeyboardInterrupt


def finished(task: Task, execution: Execution) -> Run:
    run = train(task, execution=execution, watcher=Silent())
    assert run is not None
    return run


def timeless(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in ("train_s", "images_per_s")} for line in history]


@pytest.fixture(autouse=True)
def _every_batch_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.loop.SHOW_EVERY_S", 0)


def test_a_run_learns_and_says_where_its_figures_come_from(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    run = finished(Task(recipe), execution)

    result = run.result
    assert result["validation"]["accuracy"] > 0.9
    assert (result["validation"]["count"], result["test"]["count"], result["train"]["count"]) == (100, 100, 500)
    assert np.trace(result["test"]["confusion"]) == result["test"]["correct"]
    assert result["figure"] == {"rule": "last epoch", "epoch": 4, "accuracy": result["test"]["accuracy"]}
    assert result["fingerprint"] == recipe.fingerprint == run.recipe.fingerprint
    assert result["data_sha256"] == {split: load_split("fashion-mnist", split).sha256 for split in ("train", "test")}
    assert result["execution"]["precision"] == "fp32"
    assert set(result["versions"]) >= {"python", "torch", "numpy"}
    assert result["machine"]["cores"] >= 1
    assert result["wall_s"] > 0
    assert [line["epoch"] for line in run.history] == [1, 2, 3, 4]


def test_the_stored_weights_are_those_that_were_scored(toy_data: Path, recipe: Recipe, execution: Execution) -> None:
    from training.architectures import build_network

    run = finished(Task(recipe), execution)
    network = build_network(run.recipe)
    network.load_state_dict(run.load_weights())
    test = load_split("fashion-mnist", "test")

    again = score(
        network, to_planes(test.images, torch.device("cpu")), torch.tensor(test.labels), recipe.normalization
    )

    assert again.correct == run.result["test"]["correct"]


def test_under_clean_the_test_split_is_read_once_and_only_after_the_last_epoch(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[str, int]] = []
    history = Task(recipe).folder / "history.jsonl"

    def watched_read(dataset: str, split: str) -> Any:
        reads.append((split, len(history.read_text().splitlines()) if history.exists() else 0))
        return load_split(dataset, split)

    monkeypatch.setattr(material, "load_split", watched_read)

    run = finished(Task(recipe), execution)

    assert reads == [("train", 0), ("test", 4)]
    assert run.result["test_split_scored"] == 1


def test_under_report_the_test_split_is_scored_as_often_as_the_report_did(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    theirs = replace(recipe, report=Protocol(held_out=0, watches="test", tests_on="test", picks="best"))

    run = finished(Task(theirs, protocol="report"), execution)

    assert run.result["test_split_scored"] == 5
    assert run.result["validation"] is None
    assert run.result["train"]["count"] == 600
    assert run.result["figure"]["accuracy"] == max(line["watched"]["accuracy"] for line in run.history)


def test_a_report_that_never_used_the_test_split_is_followed_in_that(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    theirs = replace(recipe, report=Protocol(held_out=180, watches="held-out", tests_on="held-out"))
    for path in (toy_data / "fashion-mnist").glob("t10k*"):
        path.unlink()

    run = finished(Task(theirs, protocol="report"), execution)

    assert (run.result["test_split_scored"], run.result["test"]["split"]) == (0, "held-out")
    assert run.result["test"]["correct"] == run.result["validation"]["correct"]


VARIANTS: dict[str, dict[str, Any]] = {
    "everything": {},
    "fast net in bf16": {
        "architecture": "fastnet",
        "shape": {"stem": 16, "widths": (16,)},
        "optimizer": "adamw",
        "schedule": "one-cycle",
        "schedule_options": {},
        "ema": 0.0,
        "epochs": 3,
        "augment": {"shift": {"pixels": 2}, "affine": {"degrees": 5, "shift": 0.1, "scale": (0.9, 1.1)}},
    },
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "schedule": "constant", "schedule_options": {}},
    "averaged sgd": {"optimizer": "asgd"},
}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_an_interrupted_run_ends_in_the_same_bits_as_one_that_was_not(
    toy_data: Path, recipe: Recipe, execution: Execution, tmp_path: Path, variant: str
) -> None:
    recipe = replace(recipe, **VARIANTS[variant])
    if variant == "fast net in bf16":
        execution = replace(execution, precision="bf16", channels_last=True)
    whole = finished(Task(recipe, seed=3, root=tmp_path / "whole"), execution)
    task = Task(recipe, seed=3, root=tmp_path / "parts")

    for epochs in (0, 1, 2):
        with pytest.raises(KeyboardInterrupt):
            train(task, execution=execution, watcher=StopsAfter(epochs))
    resumed = finished(task, execution)

    assert resumed.result["weights_sha256"] == whole.result["weights_sha256"]
    assert timeless(resumed.history) == timeless(whole.history)
    assert resumed.result["test"] == whole.result["test"]
    assert [session["first_epoch"] for session in resumed.result["sessions"]] == [1, 2, 3]


def test_seeds_give_different_runs(toy_data: Path, recipe: Recipe, execution: Execution) -> None:
    one, other = (finished(Task(recipe, seed=seed), execution) for seed in (0, 1))

    assert one.result["weights_sha256"] != other.result["weights_sha256"]


def test_out_of_time_still_finishes_one_epoch_per_call_and_in_the_end_all(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    calls = [train(Task(recipe), execution=execution, watcher=Silent(), deadline=-math.inf) for _ in range(4)]

    assert [run is not None for run in calls] == [False, False, False, True]


def test_the_result_is_written_last(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    real = checkpoint.write_atomically
    monkeypatch.setattr(
        checkpoint, "write_atomically", lambda path, data: written.append(path.name) or real(path, data)
    )

    run = finished(Task(recipe), execution)

    assert written == ["state.pt", "history.jsonl"] * 4 + ["weights.pt", "result.json"]
    assert {path.name for path in run.folder.iterdir()} == {".lock", "history.jsonl", "weights.pt", "result.json"}


def test_a_complete_run_is_not_trained_again(toy_data: Path, recipe: Recipe, execution: Execution) -> None:
    run = finished(Task(recipe), execution)
    before = (run.folder / "result.json").stat().st_mtime_ns

    again = finished(Task(recipe), execution)

    assert (again.result, (again.folder / "result.json").stat().st_mtime_ns) == (run.result, before)


def test_a_changed_recipe_gets_a_folder_of_its_own(toy_data: Path, recipe: Recipe, execution: Execution) -> None:
    run = finished(Task(recipe), execution)

    other = finished(Task(replace(recipe, lr=1e-3)), execution)

    assert (run.folder.parents[2], run.folder != other.folder) == (other.folder.parents[2], True)


def test_a_run_begun_on_other_data_is_refused(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    train(Task(recipe), execution=execution, watcher=Silent(), deadline=-math.inf)
    path = toy_data / "fashion-mnist" / "train-labels-idx1-ubyte"
    path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 2, 88]) + bytes(600))
    path.with_name(f"{path.name}.gz").unlink()

    with pytest.raises(ValueError, match="begun on other data"):
        train(Task(recipe), execution=execution, watcher=Silent())


def test_a_run_that_watches_another_copy_of_the_test_split_is_refused_and_with_the_same_goes_on(
    toy_data: Path, recipe: Recipe, execution: Execution, write_fashion: Callable[..., Path]
) -> None:
    theirs = replace(recipe, report=Protocol(held_out=0, watches="test", tests_on="test"))
    task = Task(theirs, protocol="report")
    train(task, execution=execution, watcher=Silent(), deadline=-math.inf)
    write_fashion(toy_data / "fashion-mnist", test=90)

    with pytest.raises(ValueError, match="begun on other data \\(test split"):
        train(task, execution=execution, watcher=Silent())
    write_fashion(toy_data / "fashion-mnist")

    assert [line["watched"]["count"] for line in finished(task, execution).history] == [100] * 4


def test_two_processes_do_not_train_one_run(toy_data: Path, recipe: Recipe, execution: Execution) -> None:
    with (
        checkpoint.locked(Task(recipe).folder),
        pytest.raises(ValueError, match="another process is training this run"),
    ):
        train(Task(recipe), execution=execution, watcher=Silent())


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_nothing(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    task = Task(replace(recipe, normalization=Normalization((0.0,), (1e-45,))))

    with pytest.raises(ValueError, match="toy: the loss is nan in epoch 1"):
        train(task, execution=execution, watcher=Silent())
    assert not (task.folder / "state.pt").exists()


def test_a_history_line_of_an_epoch_whose_state_was_lost_is_not_kept(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    train(Task(recipe), execution=execution, watcher=Silent(), deadline=-math.inf)
    history = Task(recipe).folder / "history.jsonl"
    history.write_text(history.read_text() + json.dumps({"epoch": 2}) + "\n" + '{"epoch": 3, "tr')

    run = finished(Task(recipe), execution)

    assert [line["epoch"] for line in run.history] == [1, 2, 3, 4]
