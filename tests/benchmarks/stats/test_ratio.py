"""The statistics of a comparison, on simulated servers whose difference is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stats.ratio import Pair, compare, judge, student

MEDIAN, MARGIN = np.median, 0.03


def simulated(random: np.random.Generator, slower: float = 1.0, pairs: int = 5) -> list[Pair]:
    """Runs of 400 requests that differ by 1 %; neighbours are alike, and B takes `slower` times as long."""
    def run(factor: float) -> np.ndarray:
        slow = np.repeat(random.normal(1, 0.05, 40), 10)  # ten requests in a row share a mood
        return (5000 * factor * random.normal(1, 0.01) * slow * random.lognormal(0, 0.1, 400)).astype(np.int64)

    return [(run(1.0), run(slower)) for _ in range(pairs)]


@pytest.mark.slow
def test_two_identical_servers_are_told_apart_in_no_more_than_one_of_twenty_comparisons() -> None:
    random = np.random.default_rng(1)

    verdicts = [compare(simulated(random), MEDIAN, margin=MARGIN, seed=i).verdict for i in range(20)]

    assert sum(verdict in ("equivalent", "inconclusive") for verdict in verdicts) >= 19


def test_a_server_that_is_ten_percent_slower_is_found_and_the_interval_holds_the_truth() -> None:
    found = compare(simulated(np.random.default_rng(2), slower=1.10), MEDIAN, margin=MARGIN)

    assert found.verdict == "slower"
    assert found.interval[0] < 1.10 < found.interval[1]


def test_a_server_that_is_ten_percent_faster_is_found_as_well() -> None:
    assert compare(simulated(np.random.default_rng(3), slower=1 / 1.10), MEDIAN, margin=MARGIN).verdict == "faster"


def test_many_pairs_of_the_same_are_equivalent() -> None:
    assert compare(simulated(np.random.default_rng(4), pairs=12), MEDIAN, margin=MARGIN).verdict == "equivalent"


def test_restless_runs_make_it_inconclusive_and_not_wrong() -> None:
    random = np.random.default_rng(5)
    pairs = [(a, (b * random.uniform(0.7, 1.4)).astype(np.int64)) for a, b in simulated(random)]

    assert compare(pairs, MEDIAN, margin=MARGIN).verdict == "inconclusive"


@pytest.mark.parametrize(("interval", "verdict"), [
    ((1.06, 1.2), "slower"), ((0.8, 0.94), "faster"), ((0.97, 1.04), "equivalent"), ((1.01, 1.2), "inconclusive"),
    ((0.9, 1.1), "inconclusive"),
])
def test_the_verdict_needs_the_whole_interval(interval: tuple[float, float], verdict: str) -> None:
    assert judge(interval, 0.05) == verdict


def test_two_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 are the minimum"):
        compare(simulated(np.random.default_rng(0), pairs=2), MEDIAN, margin=MARGIN)


@pytest.mark.parametrize(("pairs", "confidence", "t"), [
    (2, 0.95, 12.706), (5, 0.95, 2.776), (6, 0.975, 3.163), (12, 0.975, 2.593), (5, 0.99167, 4.851),
])
def test_students_quantiles_are_those_of_the_tables(pairs: int, confidence: float, t: float) -> None:
    assert student(pairs, confidence) == pytest.approx(t, rel=1e-3)
