"""The search alone, on trials whose outcome is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.capacity.search import Bracket, bracket, next_rate, search

LIMITS = {"start": 10.0, "least": 1.0, "most": 10_000.0}


def below(capacity: float, tried: list[float] | None = None) -> Callable[[float, int], bool]:
    def trial(rate: float, _: int) -> bool:
        if tried is not None:
            tried.append(rate)
        return rate <= capacity

    return trial


@pytest.mark.parametrize("capacity", [1.3, 10.0, 137.0, 9_000.0])
def test_the_bracket_is_narrow_and_holds_the_capacity(capacity: float) -> None:
    found = search(below(capacity), **LIMITS)

    assert found.low <= capacity < found.high
    assert found.high <= 1.0501 * found.low


def test_the_rate_is_doubled_first_and_both_ends_are_tried_twice_last() -> None:
    tried: list[float] = []

    found = search(below(137.0, tried), **LIMITS)

    assert tried[:5] == [10, 20, 40, 80, 160]
    assert tried[-2:] == [found.low, found.high]
    assert tried.count(found.low) == tried.count(found.high) == 2


def test_one_unlucky_trial_does_not_cost_capacity() -> None:
    def trial(rate: float, number: int) -> bool:
        return rate <= 137 and (rate, number) != (40, 0)

    assert search(trial, **LIMITS).low > 120


def test_one_lucky_trial_does_not_add_any() -> None:
    def trial(rate: float, number: int) -> bool:
        return rate <= 137 or (rate, number) == (160, 0)

    assert search(trial, **LIMITS).high < 160


def test_a_server_that_bears_nothing_and_one_that_bears_everything_are_open_brackets() -> None:
    assert search(below(0.0), **LIMITS) == Bracket(None, 1.0)
    assert search(below(1e9), **LIMITS) == Bracket(10_000.0, None)


def test_the_next_rate_depends_on_the_outcomes_alone() -> None:
    outcomes = {10.0: [True], 20.0: [False]}

    assert next_rate(outcomes, **LIMITS) == next_rate(dict(reversed(outcomes.items())), **LIMITS) == 14.14
    assert bracket(outcomes) == Bracket(10.0, 20.0)
