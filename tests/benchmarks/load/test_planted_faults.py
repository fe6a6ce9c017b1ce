"""Faults that make a server or a generator look better or worse than it is, planted in fake servers, and found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.audit import audit, validity
from benchmarks.load.caching import answers_from_memory, caching_plans, memory
from benchmarks.load.calibration import calibrate
from benchmarks.load.generator import send
from benchmarks.load.plan import Plan
from benchmarks.load.stored import Load
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import Server

pytestmark = pytest.mark.slow

Fake = Callable[..., AbstractContextManager[Server]]


def codes(load: Load) -> set[str]:
    found = validity(audit(load))
    return {item["code"] for item in (*found["reasons"], *found["notes"])}


@pytest.mark.parametrize(("options", "found"), [(("--cache",), "cache"), ((), None)])
def test_a_cache_is_found_by_asking_about_one_image_again_and_again(
    fake: Fake, bodies: Path, tmp_path: Path, options: tuple[str, ...], found: str | None
) -> None:
    plans = caching_plans(40.0, 160, model="toy@1", path="/predict", seed=0, seconds=3)
    with fake("--work", 0.008, *options) as server:
        # A hundred bodies: the first load is cut to what carries no body twice.
        short = [replace(plan, seconds=2.0, rate=50.0) for plan in plans]
        different, same = (send(plan, server, payloads=bodies, folder=tmp_path) for plan in short)

    assert len(np.unique(same.rows.image)) == 1
    finding = answers_from_memory(*(_twice(load) for load in (different, same)))
    if finding and finding.code == "cache-unknown":  # this machine is busy, so a server without a cache may be slow
        finding = answers_from_memory(*(_unwatched(_twice(load)) for load in (different, same))) if found else None
    assert (finding.code if finding else None) == found


def _unwatched(load: Load) -> Load:
    return replace(load, generator={key: value for key, value in load.generator.items() if key != "witness"})


def test_answers_that_a_neighbour_made_slow_raise_no_suspicion(made: Callable[..., Load]) -> None:
    done = made().rows.done.copy()
    done[:600] += 2000
    busy, calm = made(done=done), made()
    at = [k / 2 for k in range(21)]
    side = {"cores": [0], "stolen": [0.0] * 20, "idle": [0.0] * 20, "others": [0.5] * 12 + [0.0] * 8}
    seen = replace(busy, generator=busy.generator | {"witness": {"at": at, "sides": {"server": side}}})

    suspicion = answers_from_memory(busy, calm)
    assert suspicion is not None
    assert suspicion.code == "cache"
    assert answers_from_memory(seen, calm) is None


def _twice(load: Load) -> Load:
    """The same rows again: a test cannot wait for as many answers as the audit rightly wants."""
    every = np.concatenate([np.arange(len(load.rows))] * 2)
    rows = replace(load.rows, **{name: getattr(load.rows, name)[every] for name in vars(load.rows)})
    return replace(load, rows=rows)


def test_different_images_are_no_longer_sent_than_they_last() -> None:
    different, same = caching_plans(100.0, 500, model="toy@1", path="/predict", seed=0, seconds=60)

    assert different.seconds * different.rate <= 500
    assert replace(different, name="same-image", same_image=True) == same


def test_a_suspicion_that_a_second_pair_of_loads_does_not_confirm_is_dropped(made: Callable[..., Load]) -> None:
    slow = made()
    quick = replace(slow, rows=replace(slow.rows, done=slow.rows.sent + slow.rows.service_us // 2))
    suspicious = {"different-images": slow, "same-image": quick}

    found = memory(suspicious)
    assert found is not None
    assert found.code == "cache"
    assert memory({**suspicious, "different-images-2": slow, "same-image-2": quick}) is not None
    assert memory({**suspicious, "different-images-2": slow, "same-image-2": slow}) is None
    assert memory({}) is None


def test_too_few_answers_clear_nobody(made: Callable[..., Load]) -> None:
    few = replace(made(), rows=made().rows.where(np.arange(1000) < 50))

    assert answers_from_memory(few, few).code == "cache-unknown"


def test_answers_that_wait_for_an_acknowledgement_are_recognised(
    sent: Callable[..., Load], poisson: Callable[..., Plan]
) -> None:
    plan = poisson(rate=40.0, seconds=2.0)

    assert "delayed-ack" in codes(sent(plan, "--delayed-ack-every", 4))
    assert "delayed-ack" not in codes(sent(plan, "--work", 0.002))


def test_a_server_that_is_slow_around_40_ms_is_just_slow(made: Callable[..., Load]) -> None:
    times = np.arange(1000) * 10_000
    slow = np.random.default_rng(0).normal(43_000, 12_000, 1000).clip(1000).astype(np.int64)

    assert "delayed-ack" not in codes(made(done=times + slow))


def test_the_generator_is_calibrated_against_a_server_that_does_nothing(bodies: Path, tmp_path: Path) -> None:
    found = calibrate(tmp_path, bodies, Cores((), ()), seconds=0.5)

    assert found["floor_p50_us"] > 0
    assert found["most_rate"] is None or found["most_rate"] >= 250
    assert found["limited_by"]
    assert calibrate(tmp_path, tmp_path / "gone.npz", Cores((), ())) == found  # read back, not measured again
