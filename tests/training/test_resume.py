"""Real processes, really killed: what is left on disk is whole, and the run ends in the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from training.__main__ import main
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRAIN = """
import json, sys
from pathlib import Path
from training.__main__ import main
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe
recipe, execution = Recipe.from_dict(json.loads(sys.argv[1])), Execution(**json.loads(sys.argv[2]))
train(Task(recipe, root=Path(sys.argv[3])), execution=execution, watcher=Silent())
"""


def begin(command: list[str]) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *command], env=env, text=True, stdout=pipe, stderr=pipe)


def wait_for_an_epoch(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the process has saved one more epoch than there were."""
    def saved() -> int:
        return sum(path.stat().st_mtime_ns for path in folder.glob("**/state.pt"))

    before, until = saved(), time.monotonic() + 100
    while saved() == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.002)


def test_a_run_killed_at_random_moments_ends_in_the_same_bits(
    toy_data: Path, recipe: Recipe, execution: Execution, tmp_path: Path
) -> None:
    recipe = replace(recipe, epochs=60)
    whole = train(Task(recipe, root=tmp_path / "whole"), execution=execution, watcher=Silent())
    task = Task(recipe, root=tmp_path / "parts")
    arguments = [json.dumps(recipe.to_dict()), json.dumps(vars(execution)), str(task.root)]
    moment = random.Random()  # a new moment at each run of this test: every one must do
    epochs, into_the_next = moment.randint(1, 20), moment.uniform(0, 0.03)

    process = begin(["-c", TRAIN, *arguments])
    for _ in range(epochs):
        wait_for_an_epoch(task.folder, process)
    time.sleep(into_the_next)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed, so nothing is shown"
    resumed = train(task, execution=Execution(**vars(execution)), watcher=Silent())

    assert whole is not None
    assert resumed is not None
    assert resumed.result["weights_sha256"] == whole.result["weights_sha256"], (epochs, into_the_next)
    assert [line["epoch"] for line in resumed.history] == list(range(1, 61)), (epochs, into_the_next)
    assert not list(task.folder.glob(".*.*.*"))  # nothing half-written is left


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(
    toy_data: Path, write_fashion: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fashion(toy_data / "fashion-mnist", train=5600)  # the recipe holds out 5000 of them
    command = ["-m", "training", "fm000-tinyvgg", "--threads", "1", "--no-probe"]
    folder = tmp_path / "runs" / "fm000-tinyvgg"

    process = begin(command)
    wait_for_an_epoch(folder, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    assert (process.returncode, err) == (130, "")
    assert "interrupted; the last finished epoch is saved, the same command goes on from there" in out
    code = main([*command[2:], "--max-minutes", "0"])
    out, err = capsys.readouterr()
    assert (code, err) == (3, "")
    assert "resumed after epoch" in out
    assert "out of time with 1 run to finish; the same command goes on from here" in out


def test_a_state_that_cannot_be_read_says_what_to_delete(
    toy_data: Path, recipe: Recipe, execution: Execution
) -> None:
    folder = Task(recipe).folder
    folder.mkdir(parents=True)
    (folder / "state.pt").write_bytes(b"not a state")

    with pytest.raises(ValueError, match=r"state\.pt: unreadable .*; delete it to start this run again"):
        train(Task(recipe), execution=execution, watcher=Silent())
