"""Several processes train what one would have trained, tell how it goes, and leave nothing behind when stopped."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from training.campaign import Campaign
from training.engines.local import BORN, Pool, _serve
from training.execution import Execution
from training.loop import Task, train
from training.plan import How
from training.progress import Silent
from training.recipe import Recipe
from training.runs import open_run

pytestmark = pytest.mark.slow

HOW = How(device="cpu", jobs=2, probe=False)
ROOT = Path(__file__).parents[2]


def test_two_processes_end_in_the_same_bits_as_this_one_and_one_bar_shows_all(
    toy_data: Path, recipe: Recipe, execution: Execution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [Task(replace(recipe, name=name)) for name in ("toy-one", "toy-two")]
    greedy = Task(replace(recipe, name="toy-greedy", validation=10_000))
    screen = StringIO()

    outcome = Campaign([two[0], greedy, two[1]], HOW, Console(file=screen, force_terminal=True, width=160)).run()

    assert (outcome.left, outcome.failures) == (0, 1)
    assert "10000 images cannot be held out of 600" in capsys.readouterr().err
    for task in two:
        here = train(replace(task, root=tmp_path / "here"), execution=execution, watcher=Silent())
        there = open_run(task.folder)
        assert here is not None
        assert there is not None
        assert there.result["weights_sha256"] == here.result["weights_sha256"]
        assert there.result["execution"]["threads"] == 1
    shown = screen.getvalue()
    assert "2 of 3 runs" in shown
    assert "toy-two seed 0 (clean): validation" in shown


class Cursed(Pool):
    """Its first process is killed as soon as it has been given a task."""

    def _start(self) -> None:
        super()._start()
        if self.waiting:
            (child,) = self._children.values()
            child.process.kill()


def test_a_process_that_dies_is_told_and_the_next_run_gets_another(toy_data: Path, recipe: Recipe) -> None:
    greedy = Task(replace(recipe, validation=10_000))

    with Cursed([Task(recipe), greedy], replace(HOW, threads=1), processes=1, deadline=math.inf) as pool:
        events = [(number, event, content[0]) for number, event, content in pool.events()]

    dead = (
        "toy seed 0 (clean): its process ended with code -9; the last finished epoch is saved, the same command goes "
        "on from there"
    )
    assert events == [(0, "failed", dead), (1, "failed", "10000 images cannot be held out of 600")]


def test_when_time_is_up_a_process_has_got_one_epoch_further(toy_data: Path, recipe: Recipe) -> None:
    here, there = BORN.Pipe()
    process = threading.Thread(target=_serve, args=(there,))  # what a process does, without the time it takes to start
    process.start()

    here.send((recipe.to_dict(), 0, "clean", None, asdict(replace(HOW, threads=1, seconds=0))))
    events = [here.recv()[0] for _ in range(3)]
    here.close()
    process.join()

    assert events == ["begin", "epoch", "unfinished"]


def test_what_torch_cannot_do_is_told_by_the_process_which_goes_on(
    toy_data: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_memory(task: Task, **_: object) -> None:
        raise RuntimeError(f"not enough memory for {task.recipe.name}\nand more")

    monkeypatch.setattr("training.engines.local.train", without_memory)
    here, there = BORN.Pipe()
    process = threading.Thread(target=_serve, args=(there,))
    process.start()

    told = []
    for name in ("one", "two"):
        here.send((replace(recipe, name=name).to_dict(), 0, "clean", None, asdict(replace(HOW, threads=1))))
        told.append(here.recv())
    here.close()
    process.join()

    assert [event for event, _ in told] == ["failed", "failed"]
    assert told[1][1][0].startswith("two seed 0 (clean): RuntimeError: not enough memory for two; what was finished")


def test_a_process_whose_parent_is_gone_ends(toy_data: Path, recipe: Recipe) -> None:
    here, there = BORN.Pipe()
    process = threading.Thread(target=_serve, args=(there,))
    process.start()

    here.send((replace(recipe, epochs=10_000).to_dict(), 0, "clean", None, asdict(replace(HOW, threads=1))))
    assert here.recv()[0] == "begin"
    here.close()  # all that a process sees of its parent's death

    process.join(60)
    assert not process.is_alive()


def test_ctrl_c_ends_all_processes_quietly_even_while_they_start(
    toy_data: Path, write_fashion: Callable[..., Path]
) -> None:
    write_fashion(toy_data / "fashion-mnist", train=15_000)  # work for longer than this test lasts
    process = subprocess.Popen(
        [sys.executable, "-m", "training", "fm004-frac-*", "--jobs", "2", "--no-probe"], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )
    until = time.monotonic() + 100
    children: list[psutil.Process] = []
    while len(children) < 3:  # multiprocessing has one of its own
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        children = psutil.Process(process.pid).children(recursive=True)

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everyone in the group gets it
    out, err = process.communicate(timeout=60)

    assert (process.returncode, err) == (130, "")
    assert "interrupted; the last finished epoch is saved" in out
    assert not psutil.wait_procs(children, timeout=20)[1]
