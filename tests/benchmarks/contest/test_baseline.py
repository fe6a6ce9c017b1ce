"""Stored sides, on loads made by hand: what is copied, what is refused, and what is said beside the verdict."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.comparison.run import RunError
from benchmarks.contest.baseline import baseline_folder, copy_rows, facts_of, find_baseline, terms_of
from benchmarks.contest.duel import Contest, Terms, open_contest
from benchmarks.contest.verdict import derive
from benchmarks.contest.words import markdown, summary, together
from benchmarks.load.rows import write_rows
from benchmarks.load.stored import Load, rows_path, write_facts
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import fingerprint

Made = Callable[..., Load]
IMAGES = {"toys-test": {"payloads_sha256": "abc"}}
HERE = fingerprint()


def store(contest: Contest, name: str, made: Made, slower: float = 1.0) -> None:
    """Runs of 5 ms, as often as there are pairs, which differ a little."""
    random = np.random.default_rng(len(name) + ord(name))
    for pair in range(contest.terms.pairs):
        work = random.normal(5000, 50, 1000) * random.normal(1, 0.002) * slower
        load = made(done=np.arange(1000) * 10_000 + work.astype(np.int64))
        contest.place(pair).mkdir(exist_ok=True)
        write_rows(rows_path(contest.place(pair), name), load.rows)
        write_facts(contest.place(pair), replace(load.plan, name=name), generator=load.generator, server=load.server)


@pytest.fixture
def baseline(made: Made, tmp_path: Path) -> Contest:
    contest = open_contest(tmp_path / "baselines" / "main", Terms(a="toy", b=""), machine=HERE, rate=100.0,
                           created="2026-05-01T00:00:00Z", datasets=IMAGES, reference_us=[100.0, 101.0])
    store(contest, "a", made)
    return contest


@pytest.fixture
def against(baseline: Contest, made: Made, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The verdict of B against the baseline; keyword arguments change what is found here."""
    def compared(slower: float = 1.0, *, machine: dict[str, Any] = HERE, policy: Any = "refuse",
                 reference_us: float = 100.0, images: Any = IMAGES, comparisons: int = 1) -> dict[str, Any]:
        terms = terms_of(baseline, b="toy:t2", margin=0.05, comparisons=comparisons)
        contest = open_contest(tmp_path / "contest", terms, machine=machine, datasets=images,
                               created="2026-06-01T00:00:00Z", baseline=facts_of(baseline, machine, policy))
        copy_rows(baseline, contest)
        store(contest, "b", made, slower)
        contest.note(reference_us=[reference_us])
        return derive(contest)

    return compared


@pytest.mark.parametrize(("slower", "verdict"), [(1.0, "equivalent"), (1.10, "slower")])
def test_a_stored_side_is_compared_like_one_that_runs_and_the_doubt_is_told(
    against: Callable[..., dict[str, Any]], slower: float, verdict: str
) -> None:
    found = against(slower)

    assert found["verdict"] == verdict
    assert found["rate"] == 100.0
    assert "not-in-turns" in [note["code"] for note in found["validity"]["notes"]]
    assert "A from the baseline of 2026-05-01" in markdown(found)


def test_another_machine_is_refused_told_or_ignored_as_asked(against: Callable[..., dict[str, Any]]) -> None:
    elsewhere = HERE | {"cpu": "Abacus 3000"}

    with pytest.raises(RunError, match=r"measured elsewhere \(cpu: .* and Abacus 3000\).*--fingerprint warn"):
        against(machine=elsewhere)
    told = against(machine=elsewhere, policy="warn")

    assert "Abacus 3000" in next(note["reason"] for note in told["validity"]["notes"] if note["code"] == "fingerprint")


def test_ignoring_another_machine_says_nothing(against: Callable[..., dict[str, Any]]) -> None:
    found = against(machine=HERE | {"cpu": "Abacus 3000"}, policy="ignore")

    assert "fingerprint" not in [note["code"] for note in found["validity"]["notes"]]


def test_a_machine_that_became_slower_makes_it_inconclusive(against: Callable[..., dict[str, Any]]) -> None:
    found = against(1.2, reference_us=125.0)

    assert found["verdict"] == "inconclusive"
    assert "takes 1.25 times as long" in markdown(found)


def test_other_images_are_refused(against: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(RunError, match="sent other images"):
        against(images={"toys-test": {"payloads_sha256": "def"}})


def test_several_candidates_share_the_risk_and_the_summary_says_so(against: Callable[..., dict[str, Any]]) -> None:
    one = against(comparisons=3)
    told = summary([one, one | {"verdict": "slower"}, one])

    assert one["confidence"] == pytest.approx(1 - 0.05 / 6)
    assert told.startswith("## 3 comparisons with A (baseline:main)")
    assert "a false alarm in 14% of such calls" in told
    assert "99.17 %" in told
    assert together([one, one | {"verdict": "slower"}, one | {"verdict": "inconclusive"}]) == 3
    assert together([one, one | {"verdict": "inconclusive"}]) == 4
    assert together([one, one]) == 0


def test_a_baseline_has_to_be_there_and_complete(baseline: Contest, tmp_path: Path) -> None:
    folder = tmp_path / "baselines"

    assert find_baseline("main", folder).complete
    with pytest.raises(RunError, match="there are main; make one with"):
        find_baseline("other", folder)
    (baseline.place(2) / "a.json").unlink()
    with pytest.raises(RunError, match="is not complete"):
        find_baseline("main", folder)
    with pytest.raises(RunError, match="no name for a baseline"):
        baseline_folder("../elsewhere")


def test_one_side_alone_is_explained(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks", "compare", "fm-fast"], cwd=ROOT, capture_output=True,
                          text=True, check=False, timeout=60)

    assert done.returncode == 1
    assert "name a B to compare A with, or keep A with --save-baseline NAME" in done.stderr
