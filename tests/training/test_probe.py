"""The probe takes the fastest way that learns what plain fp32 learns, writes down why, and is asked once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from training import probe as probing
from training.checkpoint import save_state
from training.execution import Execution
from training.loop import Task, train
from training.plan import How, plan
from training.probe import probe
from training.progress import Silent
from training.recipe import Recipe

Pace = Callable[..., None]


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Sets how long a step takes and how far its loss strays, by what is tried; nothing is really trained."""

    def paced(
        times: dict[str, float], strays: str = "", fails: str = "",
        error: Exception = RuntimeError("not implemented for this type"),  # noqa: B008 - raised, never changed
    ) -> None:
        monkeypatch.setattr(probing, "has_bf16", lambda _: True)

        def steps(trial: Any, recipe: Recipe, batches: object) -> None:
            ways = asdict(trial.execution)
            name = "+".join([ways["precision"], *(key for key in ("channels_last", "fused", "compiled") if ways[key])])
            if fails and fails in name:
                raise error
            trial.step_s, trial.losses = times[name], [3.0 if strays and strays in name else 2.3] * 3

        monkeypatch.setattr(probing._Trial, "_take_steps", steps)

    return paced


def test_the_fastest_candidate_is_chosen_and_all_are_written_down(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace
) -> None:
    pace({"fp32": 1.0, "fp32+fused": 0.8, "bf16+fused": 0.5})

    found = probe(recipe, execution)

    assert found.execution == replace(execution, precision="bf16", fused=True)
    assert found.record["speedup"] == 2
    assert [line["step_ms"] for line in found.record["candidates"]] == [1000, 800, 500]
    assert all(line["close"] for line in found.record["candidates"])


def test_a_gain_that_may_be_noise_leaves_the_plainer_way(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace
) -> None:
    pace({"fp32": 1.0, "fp32+fused": 0.92, "bf16": 0.95})

    assert probe(recipe, execution).execution == replace(execution, fused=False)


@pytest.mark.parametrize("trouble", [{"strays": "bf16"}, {"fails": "bf16"}])
def test_what_is_fast_and_wrong_is_not_chosen(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace, trouble: dict[str, str]
) -> None:
    pace({"fp32": 1.0, "fp32+fused": 0.8, "bf16+fused": 0.1}, **trouble)

    found = probe(recipe, execution)

    assert found.execution.precision == "fp32"
    last = found.record["candidates"][-1]
    assert (last["precision"], last["close"]) == ("bf16", False)
    assert last.get("error", "RuntimeError: not implemented for this type").startswith("RuntimeError")


def test_compiling_is_tried_only_where_the_run_is_long_enough_to_earn_it_back(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/g++")
    pace({"fp32": 100.0, "fp32+fused": 100.0, "bf16": 100.0, "fp32+compiled": 10.0})
    assert probe(recipe, execution).execution.compiled

    monkeypatch.setattr(probing, "COMPILE_FROM_S", math.inf)
    assert not probe(replace(recipe, epochs=5), execution).execution.compiled


def test_convolutions_are_also_tried_with_channels_last(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "BUDGET_S", 0)

    record = probe(replace(recipe, architecture="tinyvgg", shape={"hidden": 4}), execution).record

    assert {line["channels_last"] for line in record["candidates"]} == {False, True}
    assert all(len(line["losses"]) == 3 and line["step_ms"] > 0 for line in record["candidates"])
    assert all(line["close"] for line in record["candidates"])


def test_a_recipe_is_probed_once_per_machine(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace({"fp32": 1.0, "fp32+fused": 0.8, "bf16+fused": 0.5})
    first = probe(recipe, execution)
    pace({"fp32": 1.0, "fp32+fused": 1.0, "bf16": 1.0})

    assert probe(recipe, execution) == first
    assert probe(recipe, replace(execution, threads=2)).record["speedup"] == 1  # another question, so asked


def test_what_failed_for_want_of_memory_is_tried_again(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace
) -> None:
    times = {"fp32": 1.0, "fp32+fused": 0.8, "bf16+fused": 0.5}
    pace(times, fails="bf16", error=torch.OutOfMemoryError("another job holds the GPU"))
    assert probe(recipe, execution).execution.precision == "fp32"
    pace(times)

    assert probe(recipe, execution).execution.precision == "bf16"


def test_a_recipe_that_does_not_train_at_all_says_why(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace
) -> None:
    pace({}, fails="fp32")

    with pytest.raises(ValueError, match=rf"{recipe.name} does not train on cpu here: RuntimeError: not implemented"):
        probe(recipe, execution)


def test_the_record_goes_into_the_result(
    toy_data: Path, recipe: Recipe, pace: Pace
) -> None:
    pace({"fp32": 1.0, "fp32+fused": 0.8, "bf16+fused": 0.9})
    execution, record = plan(Task(recipe), How(device="cpu", threads=1))

    run = train(Task(recipe), execution=execution, watcher=Silent(), probe=record)

    assert run is not None
    assert run.result["probe"] == json.loads(json.dumps(record))
    assert run.result["execution"] == record["chosen"] if record else False


def test_a_run_that_goes_on_and_a_run_that_wants_no_probe_are_not_probed(
    toy_data: Path, recipe: Recipe, execution: Execution, pace: Pace
) -> None:
    pace({})

    assert plan(Task(recipe), How(device="cpu", threads=1, probe=False))[1] is None
    save_state(Task(recipe).folder, {"execution": asdict(execution), "history": []})
    assert plan(Task(recipe), How(device="cpu", threads=1))[1] is None
