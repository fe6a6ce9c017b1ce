"""Calls in turns: every round has each of them, and the ratio is that of the rounds."""

from __future__ import annotations

import numpy as np
import pytest

from service.runtimes.turns import ratio, take_turns


def test_every_call_has_its_turn_in_every_round() -> None:
    called: list[str] = []

    taken = take_turns({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, rounds=5, round_s=1e-7)

    assert {name: seconds.shape for name, seconds in taken.items()} == {"a": (5,), "b": (5,)}
    assert {"a", "b"} == set(called)
    assert min(called.count("a"), called.count("b")) >= 5


def test_a_disturbance_that_meets_both_leaves_their_ratio_alone() -> None:
    disturbed = np.array([1.0, 9.0, 2.0, 1.0, 5.0, 1.0, 3.0])

    found = ratio(0.5 * disturbed, disturbed)

    assert (found.at, found.low, found.high, found.rounds) == (0.5, 0.5, 0.5, 7)


@pytest.mark.parametrize(("rounds", "left_out"), [(5, 0), (6, 0), (10, 1), (40, 13)])
def test_the_interval_of_a_median_leaves_out_what_a_coin_would(rounds: int, left_out: int) -> None:
    found = ratio(np.arange(1.0, rounds + 1), np.ones(rounds))

    assert (found.low, found.high) == (1 + left_out, rounds - left_out)
    assert found.to_dict()["rounds"] == rounds
