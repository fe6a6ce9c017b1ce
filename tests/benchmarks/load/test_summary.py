from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.load.rows import DROPPED, FAILED, OK
from benchmarks.load.stored import Load
from benchmarks.load.summary import peak_in_flight, summarise

Made = Callable[..., Load]


def test_percentiles_come_from_successes_only(made: Made) -> None:
    times = np.arange(1000) * 10_000
    failed = np.arange(1000) % 2 == 0  # fast failures: they must not make the server look faster
    load = made(outcome=np.where(failed, FAILED, OK).astype(np.uint8), done=times + np.where(failed, 10, 8000))

    summary = summarise(load)

    assert summary["response_us"]["p50"] == pytest.approx(8000, rel=0.001)
    assert (summary["ok"], summary["failed"]) == (500, 500)


def test_the_two_clocks_part_when_requests_leave_late(made: Made) -> None:
    times = np.arange(1000) * 10_000

    summary = summarise(made(sent=times + 3000, done=times + 5000))

    assert summary["service_us"]["p50"] == pytest.approx(2000, rel=0.001)
    assert summary["response_us"]["p50"] == pytest.approx(5000, rel=0.001)
    assert summary["send_lag_us"]["p99"] == pytest.approx(3000, rel=0.001)


def test_the_warm_up_is_in_no_figure(made: Made) -> None:
    times = np.arange(1000) * 10_000
    cold = np.arange(1000) < 100

    summary = summarise(made(warmup=cold, done=times + np.where(cold, 10**6, 2000)))

    assert (summary["requests"], summary["warmup_excluded"]) == (900, 100)
    assert summary["response_us"]["max"] == 2000


def test_wrong_answers_show_in_the_accuracy_with_an_interval(made: Made) -> None:
    labels = (np.arange(1000) % 10).astype(np.int16)
    wrong = np.where(np.arange(1000) < 200, (labels + 1) % 10, labels).astype(np.int16)

    found = summarise(made(predicted=wrong))["accuracy"]

    assert found["top1"] == 0.8
    assert found["interval"] == pytest.approx((0.774, 0.824), abs=0.001)  # Wilson, 800 of 1,000


def test_asking_often_about_few_images_does_not_make_the_accuracy_surer(made: Made) -> None:
    labels = (np.arange(1000) % 10).astype(np.int16)
    wrong = np.where(np.arange(1000) < 200, (labels + 1) % 10, labels).astype(np.int16)

    found = summarise(made(predicted=wrong, image=(np.arange(1000) % 50).astype(np.int32)))["accuracy"]

    assert found["images"] == 50
    assert found["interval"] == pytest.approx((0.670, 0.888), abs=0.002)  # Wilson, 40 of 50


def test_the_peak_of_requests_in_flight_is_counted_from_rows(made: Made) -> None:
    times = np.arange(1000) * 10_000

    assert peak_in_flight(made().rows) == 1
    assert peak_in_flight(made(done=times + 35_000).rows) == 4
    assert peak_in_flight(made(outcome=np.full(1000, DROPPED, np.uint8)).rows) == 0


def test_throughput_counts_successes_per_second(made: Made) -> None:
    assert summarise(made())["throughput"]["per_second"] == pytest.approx(100, rel=0.01)
