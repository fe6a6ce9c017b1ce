"""A sweep on a cluster gives the bits that this machine would have given, also when a node dies in the middle."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import PYTHON, cluster, needs_ray

from training.__main__ import main
from training.engines import ENGINES
from training.engines.cluster import _code
from training.engines.node import work
from training.execution import choose
from training.loop import Task, train
from training.native import compiler
from training.progress import Silent
from training.recipe import Recipe
from training.recipes import RECIPES
from training.runs import open_run

ROOT = Path(__file__).parents[2]


def wait_for_epochs(tasks: list[Task], process: subprocess.Popen[str], since: float, *, at_once: int) -> None:
    """Wait until so many tasks are on of which the head has saved an epoch since then."""
    until = time.monotonic() + 400
    while sum(_saved(task, since) for task in tasks) < at_once:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def _saved(task: Task, since: float) -> bool:
    path = task.folder / "state.pt"
    return path.exists() and path.stat().st_mtime > since


@needs_ray
def test_a_sweep_that_was_interrupted_and_then_lost_a_node_ends_in_the_bits_of_this_machine(
    toy_data: Path, write_fashion: Callable[..., Path], tmp_path: Path
) -> None:
    write_fashion(toy_data / "fashion-mnist", train=5800)  # the recipe holds out 5000 of them
    tasks = [Task(RECIPES["fm000-tinyvgg"], seed) for seed in range(4)]
    with cluster(2, tmp_path) as nodes:

        def begin() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [PYTHON, "-m", "training", "fm000-tinyvgg", "--seeds", "4", "--no-probe", "--engine", "ray"], cwd=ROOT,
                env={**os.environ, "RAY_ADDRESS": nodes.address}, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )

        process = begin()
        wait_for_epochs(tasks, process, 0, at_once=1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        assert out.endswith("interrupted; the last finished epoch is saved, the same command goes on from there\n")

        since = time.time()
        process = begin()
        wait_for_epochs(tasks, process, since, at_once=2)  # so both nodes have one
        nodes.kill_one()
        out, err = process.communicate(timeout=300)

    assert (process.returncode, err) == (0, "")
    assert "its node was lost; it is run again from the end of epoch" in out
    assert "fm000-tinyvgg seed" in out
    for task in tasks:
        there = open_run(task.folder)
        alone = Task(task.recipe, task.seed, root=tmp_path / "alone")
        here = train(alone, execution=choose(task.recipe, device="cpu", threads=1), watcher=Silent())
        assert there is not None
        assert here is not None
        assert there.weights.read_bytes() == here.weights.read_bytes()
        assert [line["watched"] for line in there.history] == [line["watched"] for line in here.history]
        commits = [run.result["sessions"][-1]["commit"] for run in (here, there)]
        assert (commits[0] is None) == (commits[1] is None)  # nodes have no checkout to ask, and are told
        assert not (task.folder / "state.pt").exists()


def test_the_command_knows_the_engines_there_are(data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fm-fast", "--engine", "spark"])

    offered = capsys.readouterr().err.partition("choose from")[2]
    assert all(name in offered for name in ENGINES)


def test_without_ray_the_cluster_says_how_to_get_it(
    toy_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.engines.cluster.find_spec", lambda name: None)

    assert main(["fm000-linear", "--engine", "ray"]) == 2

    said = capsys.readouterr().err
    assert "--engine ray needs Ray, which is not installed here: `make ray` makes .venv-ray" in said


def test_an_address_where_nothing_listens_is_told_at_once(
    toy_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.engines.cluster.find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    assert main(["fm000-linear", "--engine", "ray"]) == 2

    assert "no cluster answers at RAY_ADDRESS=127.0.0.1:1" in capsys.readouterr().err


def test_a_node_goes_on_from_the_state_it_is_given_and_hands_over_the_whole_run(
    toy_data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    settings = {"engine": "local", "device": "cpu", "threads": 1, "jobs": None, "probe": False, "seconds": 0}
    forever = time.time() + 1e6

    told = list(work(recipe.to_dict(), 0, "clean", settings, None, forever))
    second = next(files["state.pt"] for event, content, files in told
                  if event == "epoch" and content[0]["epoch"] == 2)
    again = list(work(recipe.to_dict(), 0, "clean", settings, second, forever))

    assert [event for event, _, _ in told if event != "batch"] == ["begin", *["epoch"] * 4, "finished"]
    assert [content[0]["epoch"] for event, content, _ in again if event == "epoch"] == [3, 4]
    assert again[-1][2]["weights.pt"] == told[-1][2]["weights.pt"]
    assert {"history.jsonl", "weights.pt", "result.json"} == set(told[-1][2])
    assert json.loads(told[-1][2]["result.json"])["recipe"]["name"] == "toy"


def test_what_a_node_cannot_do_is_told_with_its_name(data_root: Path, recipe: Recipe) -> None:
    settings = {"device": "cpu", "threads": 1, "probe": False}

    ((event, (reason,), _),) = work(recipe.to_dict(), 0, "clean", settings, None, time.time())

    assert event == "failed"
    assert reason.startswith("on ")
    assert "fashion-mnist is not here" in reason


def test_the_code_for_the_nodes_is_this_package_and_nothing_else(tmp_path: Path) -> None:
    _code(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} <= {"training", "COMMIT"}
    assert {path.suffix for path in (tmp_path / "training").rglob("*") if path.is_file()} == {".py", ".c"}


def test_the_nodes_get_every_file_that_their_code_reads(tmp_path: Path) -> None:
    _code(tmp_path)
    here = ROOT / "training"

    said = {folder: {node.value for file in folder.glob("*.py") for node in ast.walk(ast.parse(file.read_text()))
                     if isinstance(node, ast.Constant)} for folder in (here, *here.rglob("*/"))}
    read = {file.relative_to(ROOT) for folder, names in said.items() for file in folder.iterdir()
            if file.is_file() and file.name in names}
    at_home = {"report", "results"}  # pages and tables are made where the runs lie

    assert Path("training/dropout/dropout.c") in read
    assert [file for file in read if file.parts[1] not in at_home and not (tmp_path / file).is_file()] == []


@pytest.mark.skipif(compiler() is None, reason="machine code needs a C compiler")
def test_the_code_for_the_nodes_compiles_there(tmp_path: Path) -> None:
    _code(tmp_path)
    ask = ("from training.dropout.native import library; from training.winograd.native import load; "
           "assert library(); load()")

    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": "", "WEIGHBRIDGE_CACHE": str(tmp_path / "cache")},
    )

    assert done.returncode == 0, done.stderr
