"""Intervals are the textbook's, and the verdict follows its written rule on numbers anyone can check."""

from __future__ import annotations

import pytest
import scipy.stats

from training.results.interval import mean_interval, next_run, t_quantile, wilson
from training.results.verdict import judge

MANY = 10_000  # test images; at 90 % they leave 0.59 points


@pytest.mark.parametrize("degrees", [1, 2, 4, 9, 10, 11, 29, 199])
def test_student_s_quantiles_are_those_of_scipy(degrees: int) -> None:
    assert t_quantile(degrees) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), abs=2e-4)


def test_one_value_has_no_spread() -> None:
    with pytest.raises(ValueError, match="one value alone has no spread"):
        mean_interval([0.9])


def test_the_interval_of_a_mean_is_scipy_s() -> None:
    values = [0.91, 0.90, 0.93, 0.92]

    expected = scipy.stats.t.interval(0.95, 3, scipy.stats.tmean(values), scipy.stats.sem(values))

    assert mean_interval(values) == pytest.approx(expected, abs=1e-6)


def test_one_more_run_is_less_certain_than_the_mean() -> None:
    values = [0.91, 0.90, 0.93, 0.92]
    low, high = mean_interval(values)

    assert next_run(values) == pytest.approx((high - low) / 2 * 5**0.5)  # sqrt(1 + 1/n) against sqrt(1/n)


@pytest.mark.parametrize(("share", "count"), [(0.9, 10_000), (0.5, 15_000), (1.0, 100), (0.0, 100)])
def test_wilson_s_interval_is_scipy_s(share: float, count: int) -> None:
    expected = scipy.stats.binomtest(round(share * count), count).proportion_ci(method="wilson")

    assert wilson(share, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("reported", "figures", "word", "says"),
    [
        ((0.80, 0.84), [0.83, 0.83], "reproduced", "lies in the reported 80.00 % to 84.00 %, a range of 4.00 points"),
        ((0.90, 0.90), [0.905, 0.904], "reproduced", "0.45 points above the reported 90.00 %; 10,000 test images"),
        ((0.90, 0.90), [0.89, 0.93, 0.93], "not decidable", "5 seeds would decide"),
        ((0.90, 0.90), [0.89, 0.93, 0.93, 0.89, 0.93], "reproduced", "one more run of ours ±"),
        ((0.90, 0.90), [0.930, 0.931, 0.930], "not reproduced", "3.03 points above"),
        ((0.90, 0.90), [0.870, 0.871, 0.870], "not reproduced", "2.97 points below"),
        ((0.90, 0.90), [0.90], "reproduced", "our 90.00 % equals the reported 90.00 %"),
        ((0.90, 0.90), [0.912], "not decidable", "a single seed, whose spread nobody knows, more"),
        ((0.90, 0.90), [0.95], "not reproduced", "does not reach"),
    ],
)
def test_the_verdict_follows_the_rule(
    reported: tuple[float, float], figures: list[float], word: str, says: str
) -> None:
    verdict = judge(reported, figures, MANY)

    assert verdict.word == word
    assert says in verdict.reason


def test_fewer_test_images_forgive_more() -> None:
    assert judge((0.90, 0.90), [0.915, 0.915], MANY).word == "not reproduced"
    assert judge((0.90, 0.90), [0.915, 0.915], 1000).word == "reproduced"
