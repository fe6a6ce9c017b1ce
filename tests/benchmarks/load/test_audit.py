import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.audit import audit, validity
from benchmarks.load.rows import DROPPED, FAILED, OK
from benchmarks.load.stored import Load

Made = Callable[..., Load]


def codes(load: Load) -> list[str]:
    return [reason["code"] for reason in validity(audit(load))["reasons"]]


def outcomes(share: float, outcome: int) -> np.ndarray:
    return np.where(np.arange(1000) < share * 1000, outcome, OK).astype(np.uint8)


def test_a_calm_load_is_valid(made: Made) -> None:
    assert validity(audit(made())) == {"valid": True, "reasons": [], "notes": [], "advice": []}


def test_a_generator_without_breath_is_invalid(made: Made) -> None:
    assert codes(made(cpu=0.97)) == ["generator-cpu"]


def test_requests_sent_late_are_invalid(made: Made) -> None:
    times = np.arange(1000) * 10_000

    assert codes(made(sent=times + 5000, done=times + 7000)) == ["send-lag"]


def test_a_schedule_that_was_not_kept_is_invalid(made: Made) -> None:
    times = np.arange(1000) * 10_000

    assert "rate-not-reached" in codes(made(sent=times * 2, done=times * 2 + 2000))


def test_a_rate_that_the_schedule_never_had_is_invalid(made: Made, poisson: Callable) -> None:
    assert codes(made(plan=poisson(rate=200.0, seconds=10.0, warmup=0.0))) == ["rate-not-reached"]


def test_a_growing_queue_is_invalid(made: Made) -> None:
    times = np.arange(1000) * 10_000

    assert codes(made(done=times + np.arange(1000) * 5000 + 2000)) == ["saturated"]


@pytest.mark.parametrize("share", [0.25, 0.5, 0.7])
def test_a_server_that_bears_half_of_the_rate_is_invalid_however_long_its_queue_gets(made: Made, share: float) -> None:
    times = np.arange(1000) * 10_000
    served = np.maximum.accumulate(times - np.arange(1000) * 10_000 / share) + (np.arange(1000) + 1) * 10_000 / share

    assert codes(made(done=served.astype(np.int64))) == ["saturated"]


@pytest.mark.parametrize("share", [0.001, 0.3])
def test_drops_are_invalid_and_no_fault_of_the_generator_which_was_there_in_time(made: Made, share: float) -> None:
    found = codes(made(outcome=outcomes(share, DROPPED)))

    assert "dropped" in found
    assert "rate-not-reached" not in found


def test_an_image_that_was_answered_in_three_ways_is_one_image(made: Made) -> None:
    image, predicted = np.arange(1000, dtype=np.int32), (np.arange(1000) % 10).astype(np.int16)
    image[:3], predicted[:3] = 7, [0, 1, 7]

    (note,) = [each for each in validity(audit(made(image=image, predicted=predicted)))["notes"]
               if each["code"] == "unstable-answers"]

    assert note["reason"].startswith("1 image was answered in more than one way")


@pytest.mark.parametrize(("share", "valid"), [(0.005, True), (0.05, False)])
def test_many_failures_are_invalid_and_few_are_noted(made: Made, share: float, valid: bool) -> None:
    state = validity(audit(made(outcome=outcomes(share, FAILED))))

    assert state["valid"] is valid
    assert [found["code"] for found in (state["notes"] if valid else state["reasons"])] == ["failures"]


def test_no_success_at_all_is_invalid_with_the_reason_and_what_to_do(made: Made) -> None:
    state = validity(audit(made(outcome=outcomes(1, FAILED))))

    assert state["reasons"][0]["code"] == "nothing-succeeded"
    assert "server's log" in state["advice"][0]


def test_too_few_requests_for_a_p99_are_noted(made: Made) -> None:
    state = validity(audit(made(outcome=outcomes(0.5, FAILED))))

    assert "few-requests" in [note["code"] for note in state["notes"]]


def test_every_code_is_explained_in_the_docs() -> None:
    root = Path(__file__).parents[3]
    source = "".join(path.read_text() for path in (root / "benchmarks" / "load").glob("*.py"))
    codes = set(re.findall(r'Finding\(\s*"([a-z-]+)"', source))

    assert len(codes) > 12
    assert {code for code in codes if f"`{code}`" not in (root / "docs" / "distributed-load.md").read_text()} == set()
