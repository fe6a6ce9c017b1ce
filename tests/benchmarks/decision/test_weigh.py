"""A whole decision over two toy models on a fake service: measured, continued, derived, written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.commands import deciding
from benchmarks.comparison.contenders import NothingToWeighError, find_contenders
from benchmarks.comparison.run import RunError
from benchmarks.decision import measure
from benchmarks.decision.configurations import Configuration
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.page import page
from benchmarks.decision.publish import finish
from benchmarks.decision.wish import Wish
from benchmarks.decision.words import markdown
from benchmarks.load.rows import FAILED
from benchmarks.load.stored import Load
from benchmarks.machine.children import ROOT
from benchmarks.machine.server import Server, ServerError

pytestmark = pytest.mark.slow

Opened = Callable[[Path, Wish], DecisionFolder]


class Steps:
    """A screen that remembers, and may interrupt."""

    def __init__(self, interrupt_at: str = "never") -> None:
        self.titles: list[str] = []
        self._interrupt_at = interrupt_at

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        self.titles.append(title)
        if self._interrupt_at in title:
            raise KeyboardInterrupt
        return lambda said: None


@pytest.fixture(scope="module")
def asked(toys: Path) -> Wish:
    return Wish(slo="p90=300ms", min_accuracy=0.9, rate=10.0, root=str(toys / "models"), body="raw", screening=True,
                threads=(1, 2), price_per_hour=0.1)


@pytest.fixture(scope="module")
def decided(toys: Path, asked: Wish, opened: Opened, hurried: Callable[..., AbstractContextManager[Server]],
            tmp_path_factory: pytest.TempPathFactory) -> tuple[DecisionFolder, dict[str, Any], Steps, Steps]:
    """The folder, its result, the steps until it was interrupted, and those of its continuation."""
    place = tmp_path_factory.mktemp("decision") / "weigh"
    contenders = find_contenders(toys / "models")
    with hurried() as server:
        first, second = Steps(interrupt_at="50% of capacity"), Steps()
        with pytest.raises(KeyboardInterrupt):
            measure.measure_all(opened(place, asked), contenders, first, server)
        assert measure.measure_all(opened(place, asked), contenders, second, server) == {}
        folder = DecisionFolder(place)
        folder.note(finished="2026-01-01T00:01:00Z")
        result = finish(folder, Console(quiet=True))
    return folder, result, first, second


def test_both_fit_and_the_one_that_needs_more_cores_than_there_are_says_so(decided: tuple) -> None:
    _, result, *_ = decided
    by_verdict = {entry["id"]: entry["verdict"] for entry in result["configurations"]}

    assert result["decision"]["recommended"] in ("a@1-onnxruntime-t1-w1", "b@1-onnxruntime-t1-w1")
    assert by_verdict["a@1-onnxruntime-t2-w1"] == by_verdict["b@1-onnxruntime-t2-w1"] == "rejected"
    assert "needs 2 cores, and 1 of this machine are left" in result["configurations"][-1]["reasons"][0]
    assert "WEIGHBRIDGE_RUNTIME=onnxruntime" in result["decision"]["command"]
    best = result["configurations"][0]
    assert best["accuracy"]["top1"] == 1.0
    assert best["capacity"]["pass_rate"] >= 10
    assert best["at_rate"]["rate"] == 10.0
    assert [part["label"] for part in best["parts"]] == ["half of capacity", "90 % of capacity"]
    assert best["cost"]["money"] == pytest.approx(best["cores"] * 0.1 / 3600 * 1e6 / 10.0)  # at the rate asked for
    assert "screening" in [note["code"] for note in result["validity"]["notes"]]


def test_an_interrupted_decision_sends_nothing_twice(decided: tuple) -> None:
    _, _, first, second = decided
    told = [title for title in first.titles[:-1] if "requests/s" in title]

    assert told
    assert not set(told) & set(second.titles)


def test_another_wish_does_not_continue_it(decided: tuple, opened: Opened, asked: Wish) -> None:
    with pytest.raises(RunError, match="begun with other wish"):
        opened(decided[0].folder, replace(asked, rate=11.0))


def test_bursts_are_another_question_and_a_folder_from_before_they_could_be_asked_for_goes_on(
    opened: Opened, asked: Wish, tmp_path: Path
) -> None:
    folder = opened(tmp_path / "weigh", asked)
    del folder.facts["wish"]["dispersion"]
    folder.note()

    assert opened(tmp_path / "weigh", asked).wish == asked
    with pytest.raises(RunError, match="begun with other wish"):
        opened(tmp_path / "weigh", replace(asked, dispersion=4.0))
    assert replace(asked, dispersion=4.0).effort.dispersion == 4.0


def test_another_objective_decides_on_the_same_measurements(decided: tuple, opened: Opened, asked: Wish) -> None:
    folder, result, *_ = decided
    by_accuracy = replace(asked, objective="accuracy")

    again = finish(opened(folder.folder, by_accuracy), Console(quiet=True))

    assert again["wish"]["objective"] == "accuracy"
    assert [entry["passes"] for entry in again["configurations"] if entry["passes"]]
    assert "is the most accurate" in again["decision"]["because"][0] or again["decision"]["ties"]
    assert finish(opened(folder.folder, asked), Console(quiet=True))["decision"] == result["decision"]


def test_a_decision_may_get_more_passes_and_never_fewer(opened: Opened, asked: Wish, tmp_path: Path) -> None:
    assert asked.passes == 2
    opened(tmp_path / "weigh", asked)

    assert opened(tmp_path / "weigh", replace(asked, passes=4)).wish.passes == 4
    with pytest.raises(RunError, match="was begun with --passes 4; give as many or more"):
        opened(tmp_path / "weigh", asked)


def test_everything_is_written_and_says_the_same_first(decided: tuple) -> None:
    folder, result, *_ = decided
    sentence = result["decision"]["sentence"]

    assert json.loads((folder.folder / "decision.json").read_text())["decision"]["sentence"] == sentence
    assert (folder.folder / "decision.md").read_text().startswith(f"### Screening only: {sentence}")
    assert "| **deploy** |" in markdown(result)
    html = page(result)
    name, why = sentence.removeprefix("Deploy ").split(": ", 1)
    assert html.index(f">{name}<") < html.index(why[:20]) < html.index("<h2>")
    assert re.findall(r"<h2>(.*?)</h2>", html) == [
        "Accuracy against capacity with p90 ≤ 300 ms", "Every configuration, best first", "The tail against the rate",
        "Pass by pass", "Where the time goes", "Accuracy under load, and caching", "Alone, and what serving costs",
        "Validity", "Machine", "Reproduce",
    ]
    outside = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://""", outside)


def test_it_is_derived_again_from_raw_rows(decided: tuple) -> None:
    folder, result, *_ = decided

    done = subprocess.run([sys.executable, "-m", "benchmarks", "report", str(folder.folder)], cwd=ROOT,
                          capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    assert result["decision"]["sentence"][:30] in done.stdout


def test_the_command_serves_exactly_the_configuration() -> None:
    one = Configuration("toy@1", "onnxruntime", threads=2, workers=3)

    assert one.command("my models") == (
        "WEIGHBRIDGE_MODELS='my models' WEIGHBRIDGE_DEFAULT_MODEL=toy@1 WEIGHBRIDGE_RUNTIME=onnxruntime "
        "WEIGHBRIDGE_DEVICE=cpu WEIGHBRIDGE_THREADS=2 WEIGHBRIDGE_WORKERS=3 python -m bentoml serve . --port 3000")
    assert one.cores == 6


def test_a_decision_without_a_single_load_is_still_a_page(opened: Opened, asked: Wish, tmp_path: Path) -> None:
    result = finish(opened(tmp_path / "weigh", asked), Console(quiet=True))

    assert result["decision"]["recommended"] is None
    assert "incomplete" in [reason["code"] for reason in result["validity"]["reasons"]]
    assert "not measured yet" in page(result)


@pytest.mark.parametrize(("recommended", "valid", "problems", "code"), [
    ("x", True, [], 0), (None, True, [], 1), ("x", True, ["y"], 1), ("x", False, [], 4), (None, False, [], 4),
])
def test_a_script_can_rely_on_the_exit_code(
    recommended: str | None, valid: bool, problems: list[str], code: int
) -> None:
    result = {"decision": {"recommended": recommended}, "validity": {"valid": valid}}

    assert deciding.exit_code(result, problems) == code


def test_what_failed_because_the_service_had_ended_is_a_problem_and_not_kept(
    made: Callable[..., Load], tmp_path: Path
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"], text=True)
    ended.wait()
    (tmp_path / "open.json").write_text("{}")
    (tmp_path / "server.log").write_text("out of memory\n")
    turn: Any = object.__new__(measure._Round)
    turn._server, turn._place = Server("http://127.0.0.1:1", ended, tmp_path / "server.log", 0.0), tmp_path

    with pytest.raises(ServerError, match=r"(?s)ended with code 7 during open; .*out of memory"):
        turn._check(made(outcome=np.full(1000, FAILED, np.uint8)))

    assert not (tmp_path / "open.json").exists()


def test_models_that_answer_different_questions_are_not_weighed_as_rivals(toys: Path) -> None:
    mine, other = find_contenders(toys / "models")[:2]
    other = replace(other, card=other.card.model_copy(update={"classes": ("hot", "cold")}))

    with pytest.raises(NothingToWeighError, match=r"different questions: a know .*; b know hot, cold, …. Choose those"):
        deciding._same_question([mine, other])


@pytest.mark.parametrize(("option", "said"), [
    (["--slo", "20ms"], "write p99=20ms"), (["--min-accuracy", "90"], "not between 0 and 1"),
    (["--rate", "3"], "even 120 seconds of it prove nothing about p99; ask for at least 5.8"),
    (["--slo", "p99.9=1s"], "even 120 seconds of it prove nothing about p99.9; ask for at least 58.1"),
    (["--objective", "energy", "--passes", "1"], "needs --passes 2 or more"),
    (["--refine", "11"], "--refine 11 is not from 0 to 10"), (["--refine", "0"], "0 is not a whole number from 1"),
    (["--refine", "--full"], "--full tries every axis of every model already: leave --refine out"),
])
def test_a_wish_that_makes_no_sense_is_refused_with_an_example(option: list[str], said: str) -> None:
    command = ["weigh", "--slo", "p99=20ms", "--min-accuracy", "0.9", "--rate", "10", *option]

    done = subprocess.run([sys.executable, "-m", "benchmarks", *command], cwd=ROOT, capture_output=True, text=True,
                          check=False, timeout=60)

    assert done.returncode == 2
    assert said in done.stderr
