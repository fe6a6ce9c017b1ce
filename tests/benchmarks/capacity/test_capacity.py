"""Capacity against queueing theory: on simulated rows, where precision is cheap, and once over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from queueing import answered, capacity, response

from benchmarks.capacity import measure
from benchmarks.capacity.measure import Target, find_capacity
from benchmarks.capacity.probe import (
    FULL,
    QUICK,
    Effort,
    Judgement,
    check_dispersion,
    judge,
    least_provable,
    planned,
)
from benchmarks.capacity.search import Bracket, search
from benchmarks.capacity.slo import Slo, arriving
from benchmarks.load.generator import workers_for
from benchmarks.load.plan import Plan
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT, Rows
from benchmarks.load.schedule import arrivals
from benchmarks.load.stages import STAGES
from benchmarks.load.stored import Load
from benchmarks.machine.server import Server
from benchmarks.stats.earlystop import requests_needed
from benchmarks.stats.intervals import latency_interval

SERVICE = 5_000  # microseconds
SLO = Slo(99, 25_000)
Fake = Callable[..., AbstractContextManager[Server]]


def served(plan: Plan, service: int = SERVICE) -> Load:
    """The load that one worker with a fixed service time would have answered, without the waiting."""
    warmup = arrivals(plan.arrival, plan.rate, plan.warmup, (plan.seed, 2), plan.dispersion)
    measured = arrivals(plan.arrival, plan.rate, plan.seconds, plan.seed, plan.dispersion) + int(plan.warmup * 1e6)
    intended = np.concatenate([warmup, measured])
    n = len(intended)
    rows = Rows(
        intended=intended, sent=intended, done=answered(intended, service), warmup=intended < plan.warmup * 1e6,
        outcome=np.full(n, OK, np.uint8), status=np.full(n, 200, np.int16), image=np.zeros(n, np.int32),
        label=np.zeros(n, np.int16), predicted=np.zeros(n, np.int16), stages=np.zeros((n, len(STAGES)), np.float32),
    )
    return Load(plan, rows, {"cpu": [0.1], "problems": {}}, {})


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.7])
def test_the_p99_of_a_queue_is_what_theory_says(utilisation: float) -> None:
    rate = utilisation * 1e6 / SERVICE
    load = served(Plan(name="md1", model="toy", arrival="poisson", rate=rate, seconds=600, warmup=10, seed=3))

    low, high = latency_interval(load.rows.measured.response_us, 99)

    assert low <= 1e6 * response(99, rate, SERVICE / 1e6) <= high


@pytest.mark.slow
def test_the_capacity_of_a_queue_is_what_theory_says() -> None:
    effort = Effort(requests=30_000, seconds=100, warmup=5, resolution=0.02)

    def trial(rate: float, number: int) -> bool:
        seconds = effort.requests / rate
        plan = planned(rate, number, SLO, effort, model="toy", path="/predict", seed=1)
        return judge(served(replace(plan, seconds=seconds)), SLO, number).passed

    found = search(trial, start=20, least=1, most=1000, resolution=0.02)
    theory = capacity(99, SLO.limit_us / 1e6, SERVICE / 1e6)

    # The rule errs on the safe side: a rate that passes is proven, one that fails may still be just within.
    assert found.low <= theory * 1.01
    assert found.high >= theory * 0.92


def test_bursts_cost_capacity_and_a_probe_of_them_sends_enough() -> None:
    slo, found = Slo(99, 20_000), {}
    for dispersion in (1.0, 4.0, 16.0):
        effort = replace(FULL, dispersion=dispersion)

        def trial(rate: float, number: int, effort: Effort = effort) -> bool:
            plan = planned(rate, number, slo, effort, model="toy", path="/predict", seed=1)
            load = served(plan, service=1000)
            assert len(load.rows.measured) >= 662
            assert plan.dispersion == effort.dispersion
            return judge(load, slo, number).passed

        found[dispersion] = search(trial, start=20, least=1, most=2000).low

    assert found[1.0] > 1.2 * found[4.0] > 1.2 * 1.2 * found[16.0]


@pytest.mark.parametrize("dispersion", [0.5, 0.0, 101.0, float("nan")])
def test_bursts_that_cannot_be_are_refused(dispersion: float) -> None:
    with pytest.raises(ValueError, match="is not from 1"):
        check_dispersion(dispersion)


def test_bursts_come_from_one_generator() -> None:
    plan = planned(15_000, 0, SLO, replace(FULL, dispersion=4.0), model="toy", path="/predict", seed=1)

    assert workers_for(plan, (1, 2, 3)) == 1
    assert workers_for(planned(15_000, 0, SLO, FULL, model="toy", path="/predict", seed=1), (1, 2, 3)) == 3
    with pytest.raises(ValueError, match="would even each other out"):
        plan.share(0, 2)
    with pytest.raises(ValueError, match="poisson arrivals have no dispersion of 4"):
        replace(plan, arrival="poisson")


def test_an_objective_in_bursts_says_so() -> None:
    assert SLO.among(1.0) == "p99 ≤ 25 ms"
    assert SLO.among(4.0) == "p99 ≤ 25 ms in bursts (dispersion 4)"
    assert arriving({}) == arriving({"dispersion": 1.0}) == "Poisson arrivals"
    assert arriving({"dispersion": 2.5}) == "arrivals in bursts (dispersion 2.5)"


@pytest.mark.parametrize("objective", ["p99=1s", "p99=500ms", "p99=100ms"])
def test_a_rate_beyond_what_can_be_borne_fails_however_long_the_limit_is(objective: str) -> None:
    slo, rate = Slo.parse(objective), 1.06e6 / SERVICE

    for number in range(3):
        plan = planned(rate, number, slo, FULL, model="toy", path="/predict", seed=1)
        assert not judge(served(plan), slo, number).passed


@pytest.mark.parametrize(("objective", "effort"), [
    ("p99=1s", FULL), ("p99.9=1s", FULL), ("p99=1s", QUICK), ("p99.5=1s", QUICK), ("p90=1s", QUICK),
])
def test_a_server_that_never_misses_passes_whatever_the_percentile(objective: str, effort: Effort) -> None:
    slo = Slo.parse(objective)

    for rate in (least_provable(slo), effort.least_rate(slo), 2000.0):
        plan = planned(rate, 0, slo, effort, model="toy", path="/predict", seed=1)
        idle = served(plan, service=1)
        assert plan.most_over is not None
        assert plan.most_over >= (effort.over if rate == 2000 else 0)
        assert judge(idle, slo).passed


@pytest.mark.parametrize("dispersion", [1.0, 10.0, 100.0])
def test_the_lowest_rate_is_one_that_a_server_without_a_miss_bears_however_requests_come(dispersion: float) -> None:
    slo, effort = Slo.parse("p99=20ms"), replace(FULL, dispersion=dispersion)
    rate = least_provable(slo, dispersion)

    for seed in range(100):
        plan = planned(rate, 0, slo, effort, model="toy", path="/predict", seed=seed)
        assert len(arrivals(plan.arrival, rate, plan.seconds, plan.seed, dispersion)) >= requests_needed(99, 0)


def test_too_few_requests_to_prove_anything_are_no_fault_of_the_server() -> None:
    plan = Plan(name="rate-1-1", model="toy", arrival="poisson", rate=1.0, seconds=100, warmup=5, seed=3)

    found = judge(served(plan, service=1), SLO)

    assert not found.passed
    assert found.blame == f"{found.requests} requests are too few to prove anything"


def test_a_probe_that_stopped_early_tells_its_good_answers_per_second_of_its_own_time() -> None:
    plan = Plan(name="rate-100-1", model="toy", arrival="poisson", rate=100.0, seconds=10, warmup=1, seed=3)
    load = served(plan)
    kept = load.rows.where(load.rows.intended < 3e6)
    stopped = Load(plan, kept, {**load.generator, "stopped_early": True}, {})

    found = judge(stopped, SLO)

    assert found.goodput == pytest.approx(found.good / 2, rel=0.05)


def probe_of(passed: bool, blame: str | None = None, disturbed: str | None = None) -> Judgement:
    """One at the rate that failed."""
    return replace(judge(served(planned(100.0, 0, SLO, QUICK, model="toy", path="/", seed=1), service=1), SLO),
                   passed=passed, blame=blame or disturbed, disturbed=disturbed)


@pytest.mark.parametrize(("probes", "bound", "blame"), [
    ([probe_of(False), probe_of(False, "late"), probe_of(False)], "latency", None),
    ([probe_of(False), probe_of(False, "late")], "generator", "late"),
    ([probe_of(True), probe_of(True), probe_of(True), *[probe_of(False, "late")] * 2, *[probe_of(False)] * 2],
     "generator", "late"),
    ([probe_of(False, "late"), *[probe_of(False, disturbed="a neighbour")] * 3], "machine", "a neighbour"),
])
def test_who_failed_the_rate_is_the_server_where_its_own_failures_are_enough(
    probes: list[Judgement], bound: str, blame: str | None
) -> None:
    found = measure.summary(Bracket(90.0, 100.0), probes, SLO)

    assert (found["bound_by"], found["blame"]) == (bound, blame)


def test_a_wanted_rate_below_the_usual_ones_is_tried(monkeypatch: pytest.MonkeyPatch, target: Target) -> None:
    tried: list[float] = []

    def bears_twenty(*arguments: Any, **_: Any) -> Load:
        rate = arguments[4]
        tried.append(rate)
        return served(planned(rate, 0, SLO, QUICK, model="toy", path="/predict", seed=1),
                      service=1 if rate <= 20 else 10**6)

    monkeypatch.setattr(measure, "probe", bears_twenty)
    server: Any = None

    found, _ = find_capacity(target, server, SLO, FULL, start=200, wanted=10)
    assert found.low is not None
    assert found.low == pytest.approx(20, rel=0.06)
    tried.clear()
    assert find_capacity(target, server, SLO, FULL, start=200)[0].low is None
    assert min(tried) > 27


def test_late_failed_timed_out_and_dropped_requests_all_miss_the_objective(made: Callable[..., Load]) -> None:
    outcome = np.full(1000, OK, np.uint8)
    outcome[:3], outcome[3:5], outcome[5] = FAILED, TIMEOUT, DROPPED
    done = np.arange(1000) * 10_000 + 2000
    done[10] += 30_000

    found = judge(made(outcome=outcome, done=done), SLO)

    assert (found.failed, found.timeouts, found.dropped, found.late, found.over) == (3, 2, 1, 1, 7)
    assert not found.passed  # 1,000 requests bear two
    assert judge(made(), SLO).passed


def test_a_late_generator_takes_the_blame_for_a_failed_probe(made: Callable[..., Load]) -> None:
    times = np.arange(1000) * 10_000

    found = judge(made(sent=times + 24_000, done=times + 26_000), SLO)

    assert not found.passed
    assert "send lag is 24.0 ms" in found.blame


def test_what_no_lag_explains_is_the_servers_fault_although_the_generator_was_late(made: Callable[..., Load]) -> None:
    times = np.arange(1000) * 10_000
    sent, slow = times + 1500, np.where(times < 300_000, 60_000, 2000)  # thirty in a row: 60 ms after 1.5 ms of lag
    done = np.maximum.accumulate(sent + slow)

    found = judge(made(sent=sent, done=done), SLO)

    assert not found.passed
    assert found.blame is None
    assert not found.held


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, bodies: Path) -> Target:
    return Target(model="toy@1", path="/predict", payloads=bodies, folder=tmp_path_factory.mktemp("capacity"))


def test_no_pool_is_too_small_for_a_server_that_keeps_a_long_limit() -> None:
    slow = planned(2000, 0, Slo.parse("p99=1s"), Effort(), model="m", path="/", seed=0)
    quick = planned(2000, 0, Slo.parse("p99=20ms"), Effort(), model="m", path="/", seed=0)

    assert slow.pool >= 2000
    assert quick.pool == 512
    assert slow.seconds == FULL.limits * 1


@pytest.mark.parametrize("rate", [400.0])
def test_an_overwhelmed_server_costs_less_than_the_whole_probe(fake: Fake, target: Target, rate: float) -> None:
    from benchmarks.capacity.measure import probe

    effort = Effort(requests=1307, seconds=3, limits=0, warmup=0.2)
    with fake("--work", 0.01) as server:  # bears a hundred per second at the very most
        load = probe(target, server, SLO, effort, rate, 0)

    assert load.generator["stopped_early"]
    witness = load.generator["witness"]
    if witness is not None:  # where the system tells, somebody looked to the very end
        assert witness["at"][-1] * 1e6 >= load.rows.intended.max()
    assert len(load.rows) < 0.9 * rate * load.plan.seconds  # half of it on an idle machine
    found = judge(load, SLO)
    assert not found.passed
    assert found.over > found.allowed


def test_no_answer_is_faster_than_the_queue_it_waited_in(fake: Fake, target: Target) -> None:
    from benchmarks.capacity.measure import probe

    work = 4000
    with fake("--work", work / 1e6) as server:
        load = probe(target, server, Slo(99, 10**6), Effort(requests=100, seconds=1, limits=0, warmup=0.2), 125.0, 0)

    rows = load.rows
    assert rows.count(OK) == len(rows)
    assert np.all(np.sort(rows.done) >= answered(rows.intended, work) - 100)  # clocks of two processes
