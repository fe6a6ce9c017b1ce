from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.stats.intervals import (
    correlation_time,
    latency_interval,
    overlap,
    percentile_interval,
    rate_interval,
    surely_above,
)
from service.scoring import wilson


def test_the_interval_of_a_p99_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth = -np.log(0.01) * 1000
    found = [percentile_interval(random.exponential(1000, 2000).astype(np.int64), 99) for _ in range(400)]

    covered = np.mean([low <= truth <= high for low, high in filter(None, found)])

    assert covered == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(("load", "n", "most_claimed", "least_covered"), [
    (0.5, 14_000, 0.7, 0.85), (0.8, 14_000, 0.3, 0.85), (0.5, 700, 0.85, 0.85), (0.8, 700, 0.2, 0.65),
])
def test_the_interval_of_a_p99_knows_that_requests_queue_behind_each_other(
    load: float, n: int, most_claimed: float, least_covered: float
) -> None:
    random, service = np.random.default_rng(0), 1000.0
    truth = -np.log(0.01) * service / (1 - load)  # M/M/1: response times are exponential

    def response_times() -> np.ndarray:
        steps = random.exponential(service, n) - random.exponential(service / load, n)
        walked = np.concatenate([[0.0], np.cumsum(steps[:-1])])
        waiting = walked - np.minimum.accumulate(walked)  # Lindley
        return (waiting + random.exponential(service, n)).astype(np.int64)

    runs = [response_times() for _ in range(200)]

    def covered(interval: Callable) -> float:
        return np.mean([low <= truth <= high for low, high in (interval(run, 99) for run in runs)])

    assert covered(latency_interval) > least_covered
    assert covered(percentile_interval) < most_claimed  # what order statistics alone would have claimed to be 95 %


def test_values_in_a_row_that_are_alike_say_no_more_than_one() -> None:
    values = np.random.default_rng(0).integers(1000, 2000, 400)

    assert correlation_time(values) == pytest.approx(1, abs=0.5)
    assert correlation_time(values.repeat(50)) == pytest.approx(50, rel=0.5)
    assert correlation_time(np.full(100, 7)) == 1


def test_few_requests_cannot_bound_a_p99() -> None:
    assert percentile_interval(np.arange(200), 99) is None
    assert percentile_interval(np.arange(200), 50) is not None


def test_the_interval_of_a_rate_covers_poisson_completions() -> None:
    random = np.random.default_rng(0)
    found = [rate_interval((random.uniform(1, 11, random.poisson(1000)) * 1e6).astype(np.int64), 1, 11)
             for _ in range(300)]

    assert np.mean([low <= 100 <= high for low, high in filter(None, found)]) == pytest.approx(0.95, abs=0.04)


def test_a_rate_needs_some_completions() -> None:
    assert rate_interval(np.arange(10) * 1000, 0, 1) is None


def test_intervals_overlap_where_they_share_a_value() -> None:
    assert overlap((1, 2), (2, 3))
    assert not overlap((1, 2), (2.1, 3))


def test_a_share_is_surely_above_another_as_often_by_chance_as_a_twentieth_on_either_side() -> None:
    random, count = np.random.default_rng(0), 2000

    def told_apart(one: float, other: float) -> float:
        found = 0
        for hits, others in zip(random.binomial(count, one, 2000), random.binomial(count, other, 2000), strict=True):
            found += surely_above(hits / count, wilson(int(hits), count), others / count, wilson(int(others), count))
        return found / 2000

    assert told_apart(0.93, 0.93) == pytest.approx(0.025, abs=0.012)
    assert told_apart(0.95, 0.93) > 0.7
    assert told_apart(0.93, 0.95) == 0


def test_nothing_is_surely_above_what_is_unknown() -> None:
    assert not surely_above(1.0, (0.99, 1.0), 0.0, (0.0, 1.0))
    assert not surely_above(0.0, (0.0, 1.0), 0.0, (0.0, 0.01))
