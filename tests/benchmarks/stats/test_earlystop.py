import numpy as np
import pytest

from benchmarks.stats.earlystop import most_over, requests_needed


@pytest.mark.parametrize(("percentile", "over", "needed"), [
    (99, 1, 662), (99, 5, 1307), (99, 20, 3304), (90, 1, 64), (99.9, 1, 6636),
])
def test_the_numbers_are_those_of_the_published_rule(percentile: float, over: int, needed: int) -> None:
    assert requests_needed(percentile, over) == needed
    assert most_over(percentile, needed) == over
    assert most_over(percentile, needed - 1) == over - 1


def test_too_few_requests_prove_nothing() -> None:
    assert most_over(99, 458) == -1
    assert most_over(99, 459) == 0


def test_a_rate_that_just_misses_the_objective_is_let_through_once_in_a_hundred() -> None:
    over = np.random.default_rng(0).binomial(3304, 0.01, 20_000)

    assert np.mean([requests_needed(99, int(count)) <= 3304 for count in over]) == pytest.approx(0.01, abs=0.003)
