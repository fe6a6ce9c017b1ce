"""Runs, probes and teachers' answers know which code convolved, and say so where another one goes on."""

from __future__ import annotations

import io
import math
import time
from dataclasses import asdict, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training import checkpoint, native, teacher
from training import probe as probing
from training.engines import local
from training.engines.node import work
from training.execution import Execution
from training.loop import Task, train
from training.overview import Overview
from training.plan import How
from training.probe import probe
from training.progress import Lines, Live, Silent
from training.recipe import Recipe
from training.winograd import tiling

pytestmark = pytest.mark.skipif(native.compiler() is None, reason="Winograd's convolutions need a C compiler")


def of_another_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on batches are convolved in other pieces, which gives gradients in other bits."""
    monkeypatch.setattr(tiling, "PIECE", tiling.PIECE // 2)


@pytest.fixture
def begun(toy_data: Path, recipe: Recipe, execution: Execution) -> Task:
    """A run that uses Winograd's convolutions and has finished one epoch."""
    train(Task(recipe), execution=replace(execution, winograd=True), watcher=Silent(), deadline=-math.inf)
    return Task(recipe)


def without_kernels(task: Task) -> None:
    """Make the saved state one of a release that did not write them down."""
    state = checkpoint.load_state(task.folder)
    assert state is not None
    for session in state["sessions"]:
        del session["kernels"]
    checkpoint.save_state(task.folder, state)


def goes_on(task: Task, execution: Execution) -> tuple[str, list[dict[str, Any]]]:
    """What is told while the run goes on to its end, and its sessions."""
    screen = io.StringIO()
    run = train(task, execution=execution, watcher=Lines(Console(file=screen, width=300)))
    assert run is not None
    return screen.getvalue(), run.result["sessions"]


def test_a_run_that_goes_on_with_other_code_for_its_convolutions_says_so(
    begun: Task, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_another_release(monkeypatch)

    said, (first, second) = goes_on(begun, execution)

    commit = first["commit"] or "unknown"
    assert second["note"].startswith(f"begun on commit {commit} and continued on {commit} with other code for Winograd")
    assert f"{begun.label}: {second['note']}" in said
    assert first["kernels"] != second["kernels"]
    assert "note" not in first


def test_a_run_that_goes_on_with_the_same_code_has_nothing_to_say(begun: Task, execution: Execution) -> None:
    said, sessions = goes_on(begun, execution)

    assert "resumed after epoch 1" in said
    assert "Winograd's convolutions" not in said
    assert [session.get("note") for session in sessions] == [None, None]


def test_a_run_begun_by_a_release_that_did_not_write_its_convolutions_down_goes_on_and_says_so(
    begun: Task, execution: Execution
) -> None:
    without_kernels(begun)

    said, (_, second) = goes_on(begun, execution)

    assert "with perhaps other code for Winograd's convolutions: no run in one go ends in these bits" in second["note"]
    assert second["note"] in said


@pytest.mark.parametrize("terminal", [True, False])
def test_what_there_is_to_say_about_a_run_is_told_above_the_bars_too(
    begun: Task, execution: Execution, terminal: bool
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=100, force_terminal=terminal)
    bar, all_bars = Live(console), Overview(console, [begun])
    try:
        for watcher in (bar, all_bars.watcher(begun)):
            watcher.begin(begun, execution, 600, 1)
            watcher.note("something to know")
    finally:
        bar.close()
        all_bars.stop()

    assert screen.getvalue().count("something to know") == 2


def test_a_node_and_a_process_hand_on_what_there_is_to_say(begun: Task) -> None:
    without_kernels(begun)
    state = (begun.folder / checkpoint.STATE_FILE).read_bytes()
    settings = asdict(How(device="cpu", threads=1, probe=False))
    here, there = Pipe()
    local._Wire(there).note("something to know")

    told = list(work(begun.recipe.to_dict(), 0, "clean", settings, state, time.time() + 1e6))

    assert here.recv() == ("note", ("something to know",))
    [(text,)] = [content for event, content, _ in told if event == "note"]
    assert text.startswith(f"{begun.label}: begun on commit ")


def test_another_release_probes_again_and_one_without_a_compiler_does_not_mind_the_code(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def measured(*_: object) -> dict[str, Any]:
        asked.append(probing.compiler() is not None)
        return {"chosen": asdict(execution), "candidates": []}

    monkeypatch.setattr(probing, "_measure", measured)
    for _ in range(2):
        probe(recipe, execution)
    of_another_release(monkeypatch)
    for _ in range(2):
        probe(recipe, execution)
    monkeypatch.setattr(probing, "compiler", lambda: None)
    probe(recipe, execution)
    of_another_release(monkeypatch)
    probe(recipe, execution)

    assert asked == [True, True, False]


def test_teachers_are_asked_again_where_they_would_answer_in_other_bits(
    toy_data: Path, recipe: Recipe, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = train(Task(recipe), execution=execution, watcher=Silent())
    assert source is not None
    student = replace(recipe, name="student", teacher=recipe.name)
    quick = [False]
    monkeypatch.setattr(teacher, "answering", lambda *_, **__: replace(execution, winograd=quick[0]))

    def asked() -> bool:
        heard: list[int] = []
        teacher._asked(source, student, "sha256", execution, lambda done, _: heard.append(done))
        return bool(heard)

    assert (asked(), asked()) == (True, False)
    quick[0] = True
    assert (asked(), asked()) == (True, False)
    of_another_release(monkeypatch)
    assert (asked(), asked()) == (True, False)
    quick[0] = False
    assert not asked()
