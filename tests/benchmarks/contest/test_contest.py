"""A contest of two fake servers, from the command line; its verdict, on loads made by hand."""

from __future__ import annotations

import argparse
import json
import os
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

from benchmarks.commands import comparing, shared
from benchmarks.commands.shared import Interrupted
from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.comparison.run import RunError
from benchmarks.contest import verdict
from benchmarks.contest.duel import Contest, Terms, open_contest
from benchmarks.contest.sides import Side, check_form, parse_side
from benchmarks.contest.verdict import derive
from benchmarks.contest.words import exit_code, headline, markdown
from benchmarks.load.audit import about_the_commits
from benchmarks.load.plan import Plan
from benchmarks.load.rows import FAILED, OK
from benchmarks.load.stored import Load
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Server

pytestmark = pytest.mark.slow

Made = Callable[..., Load]
MACHINE = {"cpu": "Abacus 3000", "usable_cores": 2, "commit": "abc123"}


@pytest.fixture
def judged(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The verdict over five pairs in which B differs from A by these columns; both vary a little."""
    def judge(slower: float = 1.0, pairs: int = 5, **columns: Any) -> dict[str, Any]:
        random, times = np.random.default_rng(0), np.arange(1000) * 10_000
        found = []
        for _ in range(pairs):
            work = random.normal(5000, 50, (2, 1000)) * random.normal(1, 0.004, (2, 1))
            a = made(done=times + work[0].astype(np.int64))
            b = made(done=times + (work[1] * slower).astype(np.int64), **columns)
            found.append((a, b))
        contest = open_contest(tmp_path / "contest", Terms(a="one", b="two"), machine=MACHINE, rate=100.0)
        monkeypatch.setattr(Contest, "loads", lambda self: found)
        return derive(contest)

    return judge


@pytest.mark.parametrize(("slower", "said", "code"), [
    (1.0, "equivalent", 0), (1.10, "slower", 3), (0.90, "faster", 0), (1.05, "inconclusive", 4),
])
def test_the_verdict_and_its_exit_code(
    judged: Callable[..., dict[str, Any]], slower: float, said: str, code: int
) -> None:
    found = judged(slower)

    assert found["verdict"] == said
    assert exit_code(found) == code
    assert exit_code(found, inconclusive_passes=True) in (0, 3)
    assert found["figures"]["p50"]["ratio"] == pytest.approx(slower, rel=0.02)


def test_a_faster_server_that_answers_wrongly_is_worse(judged: Callable[..., dict[str, Any]]) -> None:
    wrong = (np.arange(1000) % 10).astype(np.int16)
    wrong[:30] = (wrong[:30] + 1) % 10

    found = judged(0.8, predicted=wrong)

    assert found["verdict"] == "less accurate"
    assert (found["accuracy"]["only_a"], found["accuracy"]["only_b"]) == (30, 0)
    assert exit_code(found) == 3


def test_a_faster_server_that_fails_more_often_is_worse(judged: Callable[..., dict[str, Any]]) -> None:
    outcome = np.full(1000, OK, np.uint8)
    outcome[:5] = FAILED

    assert judged(0.8, outcome=outcome)["verdict"] == "failing"


def test_one_lost_request_is_no_failing(judged: Callable[..., dict[str, Any]]) -> None:
    outcome = np.full(1000, OK, np.uint8)
    outcome[0] = FAILED

    found = judged(pairs=3, outcome=outcome)

    assert found["answers"]["only_a"] == 3
    assert found["answers"]["verdict"] == "no difference shown"
    assert found["verdict"] == "equivalent"


def test_a_p99_is_not_compared_on_a_few_hundred_requests(judged: Callable[..., dict[str, Any]]) -> None:
    outcome = np.full(1000, OK, np.uint8)
    outcome[:800] = FAILED

    found = judged(pairs=3, outcome=outcome)

    assert found["figures"]["p99"]["verdict"] == "inconclusive"
    assert "few-requests" in [note["code"] for note in found["validity"]["notes"]]


def test_a_late_generator_makes_it_inconclusive(judged: Callable[..., dict[str, Any]]) -> None:
    found = judged(1.5, sent=np.arange(1000) * 10_000 + 4000)

    assert found["verdict"] == "inconclusive"
    assert "send-lag" in [reason["code"] for reason in found["validity"]["reasons"]]
    assert "**INVALID** `send-lag`" in markdown(found)


@pytest.mark.parametrize(("last_us", "spoilt"), [(5000, True), (9_000_000, False)])
def test_a_server_that_was_still_moving_spoils_a_pair_unless_the_rate_is_what_it_cannot_bear(
    made: Made, poisson: Callable[..., Plan], last_us: int, spoilt: bool
) -> None:
    times = np.arange(1000) * 10_000 + np.linspace(5000, last_us, 1000).astype(np.int64)
    load = made(poisson(rate=100.0, seconds=10.0, warmup=0.0, warmup_most=5.0), done=times)
    load.generator["warmup"] = {"seconds": 0.0, "steady": False, "windows_us": [9000.0, 5000.0]}

    found = {finding.code: finding.invalid for finding in verdict.about(load)}

    assert found == ({"never-steady": True} if spoilt else {"never-steady": False, "saturated": False})


def test_too_few_pairs_are_no_verdict(judged: Callable[..., dict[str, Any]]) -> None:
    assert judged(2.0, pairs=2)["verdict"] == "inconclusive"


def test_the_summary_says_the_verdict_first_and_then_the_figures(judged: Callable[..., dict[str, Any]]) -> None:
    found = judged(1.2)
    lines = markdown(found).splitlines()

    assert headline(found) == "B (two) is slower than A (one)."
    assert lines[0] == "### B (two) is slower than A (one)."
    assert lines[2].startswith("| Response time | A, ms | B, ms | B / A |")
    assert any("Abacus 3000" in line for line in lines)


def test_runs_of_two_machines_do_not_mix(tmp_path: Path) -> None:
    terms = Terms(a="one", b="two")
    open_contest(tmp_path / "contest", terms, machine=fingerprint())

    with pytest.raises(RunError, match="another machine"):
        open_contest(tmp_path / "contest", terms, machine=fingerprint() | {"cpu": "Abacus 3000"})
    with pytest.raises(RunError, match="other terms"):
        open_contest(tmp_path / "contest", replace(terms, seed=1), machine=fingerprint())


def test_a_contest_that_goes_on_with_other_code_says_so(tmp_path: Path) -> None:
    terms = Terms(a="one", b="two")
    machine = fingerprint() | {"commit": "aaaa"}
    open_contest(tmp_path / "contest", terms, machine=machine)
    assert not about_the_commits(open_contest(tmp_path / "contest", terms, machine=machine).facts["machine"])

    for commit in ("bbbb", None, "bbbb", "aaaa"):
        contest = open_contest(tmp_path / "contest", terms, machine=machine | {"commit": commit})

    [finding] = about_the_commits(contest.facts["machine"])
    assert finding.reason.startswith("begun on commit aaaa and continued on bbbb, unknown: ")
    assert not finding.invalid


def test_runs_of_two_versions_of_a_model_do_not_mix(tmp_path: Path) -> None:
    terms, models = Terms(a="one", b="two"), {"a": {"model": "one@1", "sha256": ("abc",)}}
    open_contest(tmp_path / "contest", terms, machine=fingerprint(), models=models)

    assert open_contest(tmp_path / "contest", terms, machine=fingerprint(), models=models).facts["models"]["a"]
    for other in ({"model": "one@2", "sha256": ("abc",)}, {"model": "one@1", "sha256": ("def",)}):
        with pytest.raises(RunError, match="other versions or files"):
            open_contest(tmp_path / "contest", terms, machine=fingerprint(), models={"a": other})


def test_a_side_is_a_model_with_a_runtime_and_threads_or_a_running_server(toys: Path) -> None:
    side = parse_side("a:onnxruntime:t2", toys / "models")

    assert (side.configuration.model, side.configuration.threads) == ("a@1", 2)
    assert parse_side("http://10.0.0.7:3000/", toys / "models").url == "http://10.0.0.7:3000"
    assert parse_side("https://example.org/weighbridge/", toys / "models").url == "https://example.org/weighbridge"
    for text, said in (("nobody", "no model matches"), ("a:x9", "neither a runtime"), ("a:torchscript", "not export")):
        with pytest.raises(NothingToWeighError, match=said):
            parse_side(text, toys / "models")


def test_ctrl_c_among_several_candidates_says_how_all_of_them_go_on(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "fight", interrupted)
    monkeypatch.setattr(shared, "RUNS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "compare", "a", "b", "c"])
    parser = argparse.ArgumentParser()
    comparing.add_to(parser.add_subparsers())
    options = parser.parse_args(["compare", "a", "b", "c", "--root", str(toys / "models"), "--body", "raw"])

    with pytest.raises(Interrupted, match=r"compare a b c --output \S+/compare-[-0-9T]+\[/\]$"):
        comparing.compare(options, Console(quiet=True))


def test_a_server_that_answers_in_another_form_is_told_before_anything_is_measured(
    fake: Callable[..., AbstractContextManager[Server]]
) -> None:
    told = r'with no prediction: \'{"label": "0"}\'.* put a translator before'
    with fake("--foreign") as server, pytest.raises(NothingToWeighError, match=told):
        check_form(Side(server.url, url=server.url), server, content=b"\0", content_type="application/octet-stream")


def test_a_server_that_answers_as_ours_does_or_refuses_for_now_is_let_through(
    fake: Callable[..., AbstractContextManager[Server]]
) -> None:
    for options in ((), ("--fail-every", "1")):
        with fake(*options) as server:
            check_form(Side(server.url, url=server.url), server, content=b"\0", content_type="application/octet-stream")


def test_two_running_servers_from_the_command_line(
    fake: Callable[..., AbstractContextManager[Server]], toys: Path, tmp_path: Path
) -> None:
    # Six times as slow, so that noise cannot hide it.
    with fake("--work", 0.002) as a, fake("--work", 0.012, "--key", "sesame") as b:
        command = [sys.executable, "-m", "benchmarks", "compare", a.url, b.url, "--root", str(toys / "models"),
                   "--body", "raw", "--pairs", "3", "--seconds", "1.5", "--rate", "40", "--output", str(tmp_path / "c")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
                              env={**os.environ, "WEIGHBRIDGE_API_KEY": "sesame"})

    assert done.stderr == ""
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    result = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert result["pairs"] == 3
    assert result["figures"]["p50"]["ratio"] > 2
    assert result["verdict"] in ("slower", "inconclusive")  # the latter where the machine was too busy to send on time
    assert done.returncode == {"slower": 3, "inconclusive": 4}[result["verdict"]]
    assert verdict.FIGURES.keys() == result["figures"].keys()
    first, second = (json.loads((tmp_path / "c" / f"pair-{n}" / "a.json").read_text())["plan"] for n in (1, 2))
    assert second["seed"] == first["seed"] + 1
    assert first["warmup_most"] == 5 * first["warmup"]
