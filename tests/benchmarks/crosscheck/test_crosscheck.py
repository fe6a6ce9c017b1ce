"""Two engines that agree, two that do not, and the real LoadGen where it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.commands import crosschecking
from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.crosscheck import loadgen
from benchmarks.crosscheck.loadgen import Found, LoadGenError, Task, drive, interpreter
from benchmarks.crosscheck.result import _verdict, agreement, derive, overall, publish, sentences
from benchmarks.crosscheck.turns import Crosscheck, Rounds, Terms, open_crosscheck
from benchmarks.load.stored import Load
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Server

Fake = Callable[..., AbstractContextManager[Server]]
INTERVAL = np.arange(1000) * 10_000


@pytest.fixture
def check(tmp_path: Path) -> Crosscheck:
    opened = open_crosscheck(tmp_path / "check", Terms(model="toy@1", rounds=4), machine=fingerprint(), cores="",
                             created="2026-01-01T00:00:00Z", command="python -m benchmarks crosscheck toy")
    opened.note(rate=100.0)
    return opened


def rounds(made: Callable[..., Load], slower: float = 1.0, noise: float = 50, **theirs: Any) -> Rounds:
    """Four rounds of one distribution with this much noise (us), LoadGen's `slower` times as slow."""
    random = np.random.default_rng(0)

    def pair(name: str) -> tuple[Load, Found]:
        ours, other = (random.exponential(noise, 1000).astype(np.int64) + 3000 for _ in range(2))
        load = made(done=INTERVAL + ours)
        other = (other * slower).astype(np.int64)
        said = {f"{p}.00": int(np.sort(other)[int(1000 * p / 100)]) * 1000 for p in (90, 99)}
        found = Found(other, np.zeros(1000, np.int64), said, {}, "6.0")
        return replace(load, plan=replace(load.plan, name=name)), replace(found, **theirs)

    return {scenario: [pair(f"{scenario}-{k}") for k in range(4)] for scenario in ("server", "single")}


def test_two_engines_that_see_the_same_agree(made: Callable[..., Load], check: Crosscheck, tmp_path: Path) -> None:
    result = derive(check, rounds(made))

    assert result["verdict"] == "agree"
    assert [entry["percentile"] for entry in result["scenarios"]] == [99, 90]
    assert not [reason for reason in result["validity"]["reasons"] if reason["code"].startswith("loadgen")]
    said = "\n".join(sentences(result))
    assert "they agree within 10%" in said
    assert "not an MLPerf result" in said
    published = json.loads(publish(result, tmp_path / "results").read_text())
    assert published["engines"]["loadgen"] == "6.0"


def test_an_engine_that_sees_more_differs(made: Callable[..., Load], check: Crosscheck) -> None:
    result = derive(check, rounds(made, slower=1.5))

    assert result["verdict"] == "differ"
    assert "they DIFFER by more than 10%" in sentences(result)[0]


def test_too_little_to_tell_is_not_agreement(made: Callable[..., Load], check: Crosscheck) -> None:
    result = derive(check, rounds(made, noise=5000))
    low, high = result["scenarios"][0]["ratio"]["interval"]

    assert low < 1 < high
    assert result["verdict"] == "undecided"
    assert "no difference found; it may be up to " in sentences(result)[0]


@pytest.mark.parametrize(("interval", "said"), [
    ((0.95, 1.05), "agree"), ((1.02, 1.08), "agree"), ((1.12, 1.3), "differ"), ((0.7, 0.9), "differ"),
    ((0.83, 1.24), "undecided"), ((1.05, 1.15), "undecided"),
])
def test_the_whole_interval_decides(interval: tuple[float, float], said: str) -> None:
    assert agreement(interval, 0.10) == said


def test_a_difference_is_told_even_where_its_size_is_open() -> None:
    entry = {"verdict": "undecided", "ratio": {"interval": (1.05, 1.15), "margin": 0.1}}

    assert _verdict(entry) == "they differ, and whether by more than 10% is open; it may be up to 15%"


@pytest.mark.parametrize(("verdicts", "said"), [
    (("agree", "agree"), "agree"), (("agree", "undecided"), "undecided"), (("undecided", "differ"), "differ"),
])
def test_one_scenario_that_differs_outweighs_the_others(verdicts: tuple[str, ...], said: str) -> None:
    assert overall([{"verdict": each} for each in verdicts]) == said


@pytest.mark.parametrize(("theirs", "code"), [
    ({"failures": {"HTTP 503": 3}}, "loadgen-failures"),
    ({"delay_us": np.full(1000, 9000)}, "loadgen-lag"),
    ({"percentiles_said_ns": {"99.00": 1, "90.00": 1}}, "loadgen-misread"),
])
def test_what_is_wrong_with_a_load_of_loadgen_makes_it_invalid(made, check, theirs: dict[str, Any], code: str) -> None:
    assert code in {reason["code"] for reason in derive(check, rounds(made, **theirs))["validity"]["reasons"]}


def test_a_missing_loadgen_names_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loadgen, "find_spec", lambda _: None)
    monkeypatch.setattr(loadgen, "OWN", tmp_path / "python")

    with pytest.raises(LoadGenError, match=r"uv pip install .* --group crosscheck"):
        interpreter()


def test_more_than_one_model_of_a_name_is_refused_before_anything_starts(toys: Path) -> None:
    with pytest.raises(NothingToWeighError, match=r"\* matches a and b; name one"):
        crosschecking._contender(toys / "models", "*", "onnxruntime")


def test_other_terms_do_not_continue_a_cross_check(check: Crosscheck) -> None:
    with pytest.raises(ValueError, match="other terms"):
        open_crosscheck(check.folder, Terms(model="toy@1", rounds=3), machine=fingerprint())
    with pytest.raises(ValueError, match="other files of toy@1"):
        open_crosscheck(check.folder, check.terms, machine=fingerprint(), files={"onnx": "f00d"})


@pytest.mark.parametrize(("scenario", "rate"), [("server", 150.0), ("single", None)])
def test_the_real_loadgen_drives_a_server(
    fake: Fake, bodies: Path, tmp_path: Path, scenario: str, rate: float | None
) -> None:
    try:
        python = interpreter()
    except LoadGenError as missing:
        pytest.skip(str(missing))
    task = Task(name=scenario, scenario=scenario, rate=rate, requests=150, seed=1, path="/predict")
    with fake("--work", 0.002, "--fail-every", 100) as server:
        found = drive(task, server.url, bodies, tmp_path, (), python)
        again = drive(task, "http://nobody.invalid", bodies, tmp_path, (), python)

    assert len(found.latency_us) == len(found.delay_us) == 150
    assert np.count_nonzero(found.latency_us >= 2000) >= 147
    assert found.failures in ({"HTTP 503": 1}, {"HTTP 503": 2})
    assert found.version.startswith("6.")
    assert np.array_equal(again.latency_us, found.latency_us)  # read back, not sent again
