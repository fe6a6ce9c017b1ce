"""Several processes train what one would have trained, tell how it goes, and leave nothing behind when stopped."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from training.campaign import Campaign
from training.execution import Execution
from training.loop import Task, train
from training.plan import How
from training.pool import Pool
from training.progress import Silent
from training.recipe import Normalization, Recipe
from training.runs import open_run

HOW = How(device="cpu", jobs=2, probe=False)
ROOT = Path(__file__).parents[2]


def tasks(recipe: Recipe, *names: str) -> list[Task]:
    return [Task(replace(recipe, name=name)) for name in names]


def test_two_processes_end_in_the_same_bits_as_this_one_and_one_bar_shows_all(
    toy_data: Path, recipe: Recipe, execution: Execution, tmp_path: Path
) -> None:
    three = tasks(recipe, "toy-one", "toy-two", "toy-three")
    screen = StringIO()

    outcome = Campaign(three, HOW, Console(file=screen, force_terminal=True, width=160)).run()

    assert (outcome.left, outcome.failures) == (0, 0)
    for task in three:
        here = train(replace(task, root=tmp_path / "here"), execution=execution, watcher=Silent())
        there = open_run(task.folder)
        assert here is not None
        assert there is not None
        assert there.result["weights_sha256"] == here.result["weights_sha256"]
        assert there.result["execution"]["threads"] == 1
    shown = screen.getvalue()
    assert "3 of 3 runs" in shown
    assert "toy-two seed 0 (clean): validation" in shown
    assert "12/12" in shown


def test_one_process_that_dies_or_one_run_that_fails_does_not_stop_the_others(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    never = Task(replace(recipe, name="toy-never", epochs=10_000))
    broken = Task(replace(recipe, name="toy-broken", normalization=Normalization((0.0,), (1e-45,))))
    good = Task(recipe)
    seen: dict[int, tuple[str, str]] = {}

    with Pool([never, broken, good], replace(HOW, threads=1), processes=1, deadline=math.inf) as pool:
        for number, event, content in pool.events():
            seen[number] = (event, str(content))
            if (number, event) == (0, "epoch"):
                (child,) = pool._children.values()
                child.process.kill()

    assert [event for event, _ in seen.values()] == ["failed", "failed", "finished"]
    assert "toy-never seed 0 (clean): its process ended with code -9" in seen[0][1]
    assert "toy-broken: the loss is nan" in seen[1][1]
    assert open_run(never.folder) is None
    assert open_run(good.folder) is not None


def test_when_time_is_up_a_process_has_got_one_epoch_further(toy_data: Path, recipe: Recipe) -> None:
    two = tasks(recipe, "toy-one", "toy-two")

    with Pool(two, replace(HOW, threads=1), processes=1, deadline=0) as pool:
        events = [(number, event) for number, event, _ in pool.events() if event != "batch"]

    assert (events, pool.waiting) == ([(0, "begin"), (0, "epoch"), (0, "unfinished")], 1)


def test_a_process_whose_parent_is_gone_ends(toy_data: Path, recipe: Recipe) -> None:
    never = Task(replace(recipe, epochs=10_000))

    with Pool([never], replace(HOW, threads=1), processes=1, deadline=math.inf) as pool:
        next(pool.events())
        (child,) = pool._children.values()
        child.pipe.close()  # all that it sees of a parent's death
        child.process.join(60)

        assert child.process.exitcode == 0


def test_ctrl_c_ends_all_processes_quietly(
    toy_data: Path, write_fashion: Callable[..., Path], tmp_path: Path
) -> None:
    write_fashion(toy_data / "fashion-mnist", train=5600)  # the recipes hold out 5000 of them
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "fm002-ann-mod*", "--jobs", "2", "--no-probe"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    until = time.monotonic() + 100
    while len(list((tmp_path / "runs").glob("*/*/clean/seed-0/history.jsonl"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    children = psutil.Process(process.pid).children(recursive=True)

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everyone in the group gets it
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "")
    assert "interrupted; the last finished epoch is saved" in out
    assert not psutil.wait_procs(children, timeout=20)[1]
