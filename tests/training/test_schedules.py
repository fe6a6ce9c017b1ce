"""Learning rates move as the recipes say."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from training.schedules import SCHEDULES


def test_one_cycle_rises_to_its_peak_once_and_ends_at_nothing() -> None:
    schedule = SCHEDULES["one-cycle"](warmup=0.25, start=0.1)

    factors = [schedule.factor(step / 100) for step in range(101)]

    assert (factors[0], factors[25], factors[100]) == (pytest.approx(0.1), 1.0, 0.0)
    assert factors[:26] == sorted(factors[:26])
    assert factors[25:] == sorted(factors[25:], reverse=True)


def test_constant_stays() -> None:
    assert {SCHEDULES["constant"]().factor(step / 10) for step in range(11)} == {1.0}


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_steps_down_exactly_where_torch_does(patience: int) -> None:
    losses = [1.0, 0.9, 0.95, 0.94, 0.93, 0.89, 0.9, 0.9, 0.9, 0.9, 0.9, 0.88, 0.88, 0.88, 0.88, 0.88]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, patience=patience, threshold=1e-2, factor=0.5)
    ours = SCHEDULES["plateau"](patience=patience, threshold=1e-2, factor=0.5)

    seen = []
    for loss in losses:
        optimizer.step()
        theirs.step(loss)
        ours.observe(loss)
        seen.append((ours.factor(0.5), optimizer.param_groups[0]["lr"]))

    assert [a for a, _ in seen] == pytest.approx([b for _, b in seen])
    assert seen[-1][0] < 1


def test_a_plateau_taken_up_again_remembers_what_it_saw() -> None:
    whole = SCHEDULES["plateau"](patience=1, threshold=0, factor=0.1)
    for loss in (1.0, 2.0):
        whole.observe(loss)
    resumed = SCHEDULES["plateau"](patience=1, threshold=0, factor=0.1)
    resumed.state = dict(whole.state)

    resumed.observe(2.0)

    assert resumed.factor(0) == pytest.approx(0.1)
