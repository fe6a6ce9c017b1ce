"""A disturbance is told, blamed for no more than it can have done, and the probe it spoilt is sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.capacity import measure
from benchmarks.capacity.measure import Target, bracket_of, find_capacity, summary
from benchmarks.capacity.probe import FULL, MOST_SPOILT, Judgement, counting, judge
from benchmarks.capacity.slo import Slo
from benchmarks.load.audit import audit
from benchmarks.load.calibration import TRIES, about_the_generator, highest, limit_at
from benchmarks.load.disturbance import disturbance, in_words, together, witnessed
from benchmarks.load.plan import Plan
from benchmarks.load.stored import Load

Made = Callable[..., Load]
SLO = Slo(99, 25_000)
TIMES = np.arange(1000) * 10_000


def watched(load: Load, taken: dict[int, float] | None = None, *, idle: float = 0.0) -> Load:
    """The load with a witness who looked every half second; in some windows others had a share of the server's core."""
    windows = 20
    server = {"cores": [0], "stolen": [0.0] * windows, "idle": [idle] * windows,
              "others": [(taken or {}).get(k, 0.0) for k in range(windows)]}
    quiet = {"cores": [1], "stolen": [0.0] * windows, "idle": [1.0] * windows, "others": [0.0] * windows}
    at = [k / 2 for k in range(windows + 1)]
    return replace(load, generator=load.generator | {"witness": {"at": at, "sides": {"server": server,
                                                                                     "generator": quiet}}})


def late(*spans: tuple[int, int]) -> np.ndarray:
    """Ends of 1,000 answers; those sent in a span of numbers come after 30 ms, the others after 2."""
    done = TIMES + 2000
    for begin, end in spans:
        done[begin:end] += 28_000
    return done


def test_a_probe_that_failed_while_others_had_the_core_is_spoilt(made: Made) -> None:
    found = judge(watched(made(done=late((210, 240))), {4: 0.4}), SLO)

    assert not found.passed
    assert found.disturbed is not None
    assert "in 1 of 20 half-seconds something else had the server's cores, for up to 40%" in found.disturbed
    assert "30 of 30 misses were then" in found.disturbed
    assert found.blame == found.disturbed


def test_misses_at_other_times_are_the_servers(made: Made) -> None:
    found = judge(watched(made(done=late((210, 240), (700, 730))), {4: 0.4}), SLO)

    assert not found.passed
    assert found.disturbed is None
    assert found.blame is None


def test_a_probe_that_passes_although_it_was_disturbed_has_passed(made: Made) -> None:
    found = judge(watched(made(), {4: 0.9, 5: 0.9}), SLO)

    assert found.held
    assert found.disturbed is None


@pytest.mark.parametrize(("taken", "idle"), [({4: 0.14}, 0.0), ({4: 0.4}, 0.8)], ids=["too little", "while it idled"])
def test_what_hardly_took_anything_is_no_disturbance(made: Made, taken: dict[int, float], idle: float) -> None:
    load = watched(made(done=late((210, 240))), taken, idle=idle)

    assert judge(load, SLO).disturbed is None
    assert "disturbed" not in {finding.code for finding in audit(load)}


def test_a_disturbed_load_says_so_and_stays_valid(made: Made) -> None:
    (finding,) = audit(watched(made(), {4: 0.4, 7: 0.2}))

    assert (finding.code, finding.invalid) == ("disturbed", False)
    assert "in 2 of 20 half-seconds" in finding.reason


def test_a_load_that_nobody_watched_has_no_disturbance(made: Made) -> None:
    assert disturbance(made()) is None
    assert witnessed([made()]) is None
    assert in_words(None) == "not watched"


def test_what_was_taken_of_several_loads_is_one_account(made: Made) -> None:
    one, other = watched(made(), {4: 0.4}), watched(made(), {7: 0.2})

    account = together([witnessed([one]), None, witnessed([other])])

    assert account == pytest.approx({"seconds": 20.0, "disturbed": 1.0, "stolen": 0.0, "others": 0.3, "worst": 0.4})
    told = in_words(account)
    assert told.startswith("other processes had 1.5% of the cores' time, the hypervisor stole 0.0%; ")
    assert told.endswith("more than 15% for 1.0 of 20 s, at worst 40%")


def test_what_a_server_elsewhere_may_have_used_itself_is_not_told_as_nothing(made: Made) -> None:
    side = {"cores": [1], "stolen": [0.3, 0.0], "others": [None, None], "idle": [0.0, 0.0]}
    load = replace(made(), generator=made().generator | {"witness": {"at": [0, 0.5, 1], "sides": {"generator": side}}})

    (finding,) = audit(load)
    assert "the generator's cores, for up to 30% of their time (stolen by the hypervisor 30%)" in finding.reason
    assert in_words(witnessed([load])).startswith("what other processes had is unknown, the hypervisor stole 15.0%")
    assert together([witnessed([load]), witnessed([watched(made())])])["others"] is None  # type: ignore[index]


@pytest.fixture
def spoiling(monkeypatch: pytest.MonkeyPatch, made: Made) -> Callable[[int], tuple[Any, list[Judgement], list[float]]]:
    """The capacity of a server that bears 250/s and answers late in the first so many probes at each rate."""

    def found(spoilt: int) -> tuple[Any, list[Judgement], list[float]]:
        tried: list[float] = []

        def probe(*arguments: Any, **_: Any) -> Load:
            rate, number = arguments[4:6]
            tried.append(rate)
            plan = replace(made().plan, name=f"rate-{rate:g}-{number + 1}", rate=rate)
            if rate > 250:
                return watched(replace(made(done=TIMES + 30_000), plan=plan), {4: 0.4})
            disturbed = number < spoilt
            load = replace(made(done=late((210, 240)) if disturbed else late()), plan=plan)
            return watched(load, {4: 0.4} if disturbed else {})

        monkeypatch.setattr(measure, "probe", probe)
        monkeypatch.setattr("benchmarks.capacity.probe.send_rate", lambda _load: None)
        target: Any = Target(model="toy@1", path="/predict", payloads=None, folder=None)  # type: ignore[arg-type]
        server: Any = None
        return *find_capacity(target, server, SLO, FULL, start=200), tried

    return found


def test_a_spoilt_probe_is_sent_again_and_does_not_move_the_bracket(
    spoiling: Callable[[int], tuple[Any, list[Judgement], list[float]]]
) -> None:
    quiet, _, without = spoiling(0)
    found, judgements, tried = spoiling(1)

    assert found == quiet == bracket_of(judgements)
    assert len(tried) > len(without)
    told = summary(found, judgements, SLO)
    assert told["spoilt"] == len(judgements) - len(counting(judgements)) == len({rate for rate in tried if rate < 250})
    assert told["bound_by"] == "latency"


def test_on_a_machine_that_is_never_quiet_the_search_ends_and_blames_it(
    spoiling: Callable[[int], tuple[Any, list[Judgement], list[float]]]
) -> None:
    found, judgements, tried = spoiling(1000)

    assert found.low is None
    assert max(tried.count(rate) for rate in tried) <= MOST_SPOILT + 2
    told = summary(found, judgements, SLO)
    assert told["bound_by"] == "machine"
    assert "something else had the server's cores" in told["blame"]


@pytest.mark.parametrize(("disturbed", "tries", "said"), [
    (0, 1, None), (1, 2, None), (TRIES, TRIES, "half-seconds something else had the server's cores"),
])
def test_a_generator_that_was_late_only_beside_others_is_tried_again(
    made: Made, disturbed: int, tries: int, said: str | None
) -> None:
    plans: list[Plan] = []

    def sent(plan: Plan) -> Load:
        plans.append(plan)
        spoilt = len(plans) <= disturbed
        load = made(sent=TIMES + (5000 if spoilt else 0), done=TIMES + 7000)
        return watched(load, {4: 0.4} if spoilt else None)

    reason = limit_at(100, 10.0, 1000, sent)

    assert len(plans) == len({plan.name for plan in plans}) == len({plan.seed for plan in plans}) == tries
    assert (reason is None) == (said is None)
    assert said is None or said in (reason or "")


def test_a_generator_that_is_late_by_itself_is_at_its_limit(made: Made) -> None:
    reason = limit_at(100, 10.0, 1000, lambda _: watched(made(sent=TIMES + 5000, done=TIMES + 7000)))

    assert reason == "p99 of the send lag is 5.0 ms at 100/s, more than 1.0 ms"


@pytest.mark.parametrize(("most", "reach", "end", "invalid"), [
    (500.0, 8000.0, 8000.0, None),  # late above 500/s, and sends sixteen times as much
    (None, 8000.0, 8000.0, False),  # late at any rate
    (None, None, 250.0, True),
])
def test_a_generator_that_is_late_is_doubted_and_one_that_cannot_send_spoils_everything(
    most: float | None, reach: float | None, end: float, invalid: bool | None
) -> None:
    calibration = {"most_rate": most, "reach": reach, "limited_by": "its lag"}

    assert highest(calibration) == end
    assert [finding.invalid for finding in about_the_generator(calibration)] == ([] if invalid is None else [invalid])
