"""Two models on the same images: the test is SciPy's, and the interval covers as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from service.comparing import EXACT, compare, mcnemar, paired_interval


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_the_binomial_test_of_one_half(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0

    assert mcnemar(first, second) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_very_many_differences_are_judged_alike_on_both_sides_of_the_limit() -> None:
    exact = mcnemar(EXACT // 2 + 90, EXACT // 2 - 90)

    assert mcnemar(EXACT // 2 + 91, EXACT // 2 - 90) == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize(("first", "second", "count"), [(0.02, 0.05, 200), (0.1, 0.1, 60), (0.0, 0.04, 400)])
def test_the_interval_covers_the_true_difference_nineteen_times_in_twenty(
    first: float, second: float, count: int
) -> None:
    drawn = np.random.default_rng(0).multinomial(count, [first, second, 1 - first - second], 4000)

    covered = [low <= first - second <= high for one, other, _ in drawn.tolist()
               for _, low, high in [paired_interval(one, other, count)]]

    assert np.mean(covered) >= 0.94


def test_models_that_never_differ_are_equal_with_a_small_doubt() -> None:
    found = compare(0, 0, 1000)

    assert (found.p_value, found.difference) == (1.0, 0.0)
    assert -0.005 < found.low < 0 < found.high < 0.005
