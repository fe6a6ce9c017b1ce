"""The real generator against planted faults: each is caught, and none is hidden by how the load is made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.audit import audit, validity
from benchmarks.load.generator import LOCUSTFILE
from benchmarks.load.plan import Plan
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT
from benchmarks.load.stored import Load
from benchmarks.load.summary import summarise
from benchmarks.machine.children import ROOT
from benchmarks.machine.server import Server

Sent = Callable[..., Load]
Planned = Callable[..., Plan]
STALL = 1.5  # seconds


def codes(load: Load) -> list[str]:
    return [reason["code"] for reason in validity(audit(load))["reasons"]]


def test_a_stall_shows_in_the_response_time_that_a_closed_loop_hides(sent: Sent, poisson: Planned) -> None:
    stall = ("--work", 0.002, "--stall-after", 0.7, "--stall", STALL)
    waiting = Plan(name="single", model="toy@1", arrival="closed", seconds=2.5, warmup=0.1, at_least=300)

    opened = summarise(sent(poisson(rate=80.0, seconds=2.5), *stall))
    closed = summarise(sent(waiting, *stall))

    # A third of the open requests were due while the server stood still; the closed loop just stopped asking.
    assert opened["response_us"]["p90"] > STALL / 2 * 1e6
    assert closed["response_us"]["max"] > STALL * 0.9 * 1e6
    assert closed["response_us"]["p99"] < opened["response_us"]["p90"] / 2


@pytest.fixture(scope="module")
def troubled(sent: Sent) -> Load:
    """Every 4th request gets a fast 503, every 5th a wrong class, every 33rd nothing at all."""
    plan = Plan(name="open", model="toy@1", arrival="poisson", rate=100.0, seconds=2.0, warmup=0.0, timeout=1.0)
    return sent(plan, "--work", 0.003, "--fail-every", 4, "--wrong-every", 5, "--silent-every", 33)


def test_failures_and_timeouts_are_counted_apart(troubled: Load) -> None:
    rows = troubled.rows

    assert rows.count(TIMEOUT) == len(rows) // 33
    assert rows.count(FAILED) == len(rows) // 4 - len(rows) // 132
    assert rows.count(OK) + rows.count(FAILED) + rows.count(TIMEOUT) == len(rows)
    assert "failures" in codes(troubled)
    assert troubled.generator["problems"]["HTTP 503"] == rows.count(FAILED)


def test_fast_failures_do_not_improve_the_percentiles(troubled: Load) -> None:
    summary = summarise(troubled)

    assert summary["service_us"]["n"] == troubled.rows.count(OK)
    assert summary["service_us"]["min"] >= 3000


def test_wrong_answers_show_in_the_accuracy_under_load(troubled: Load) -> None:
    answered = troubled.rows.succeeded
    accuracy = summarise(troubled)["accuracy"]

    assert accuracy["correct"] == np.count_nonzero(answered.predicted == answered.label)
    assert 0.7 < accuracy["top1"] < 0.85


def test_what_the_server_says_about_its_stages_is_kept(troubled: Load) -> None:
    assert summarise(troubled)["stages_ms"] == pytest.approx({"decode": 0.1, "infer": 0.5, "total": 0.7})


@pytest.fixture(scope="module")
def overrun(sent: Sent) -> Load:
    """Answers take a second, ten times longer than a pool of four can bear at this rate."""
    plan = Plan(name="open", model="toy@1", arrival="poisson", rate=40.0, seconds=1.0, warmup=0.0, pool=4)
    return sent(plan, "--slow-from", 1, "--slow", 1.0)


def test_requests_under_way_at_the_end_are_waited_for(overrun: Load) -> None:
    in_flight_at_the_end = overrun.rows.where(overrun.rows.done > 1_000_000)

    assert in_flight_at_the_end.count(OK) >= 4
    assert overrun.rows.count(OK) + overrun.rows.count(DROPPED) == len(overrun.rows)


def test_a_full_pool_drops_and_never_blocks(overrun: Load) -> None:
    dropped = overrun.rows.where(overrun.rows.outcome == DROPPED)

    assert len(dropped) > len(overrun.rows) / 2
    assert summarise(overrun)["peak_in_flight"] == 4
    assert "dropped" in codes(overrun)


def test_a_rate_beyond_the_generator_is_invalid_and_says_why(sent: Sent, poisson: Planned) -> None:
    load = sent(poisson(rate=12_000.0, seconds=0.5, warmup=0.0))

    assert {"generator-cpu", "rate-not-reached", "send-lag", "dropped"} & set(codes(load))
    assert validity(audit(load))["advice"]


def test_a_closed_loop_goes_on_until_it_has_its_minimum(sent: Sent) -> None:
    plan = Plan(name="single", model="toy@1", arrival="closed", seconds=0.1, warmup=0.1, at_least=100)

    load = sent(plan, "--work", 0.005)

    assert len(load.rows.measured) == 100
    assert summarise(load)["peak_in_flight"] == 1


def test_the_locustfile_also_runs_by_hand(
    fake: Callable[..., AbstractContextManager[Server]], toys: Path, tmp_path: Path
) -> None:
    with fake() as server:
        options = [f"--host={server.url}", "--users=1", "--rate=40", "--seconds=1", "--split=toys-test",
                   f"--images={toys / 'models'}", f"--csv={tmp_path / 'by'}"]
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    aggregated = (tmp_path / "by_stats.csv").read_text().splitlines()[-1].split(",")
    assert 15 < int(aggregated[2]) < 80
    assert aggregated[3] == "0"
