"""Muon turns filters by steps of known size, and one schedule moves both of its halves."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from training.execution import Execution
from training.learner import Learner
from training.muon import Muon, MuonAndAdamW, orthogonalised
from training.recipe import Recipe
from training.recipes import RECIPES


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (32, 32)], ids=str)
def test_an_orthogonalised_matrix_stretches_no_direction_much_more_than_another(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    rank = min(shape)
    left, right = (torch.linalg.qr(torch.randn(side, rank))[0] for side in shape)
    steep = left @ torch.diag(torch.linspace(1, 0.1, rank)) @ right.T

    stretched = torch.linalg.svdvals(orthogonalised(steep))

    assert 0.3 < stretched.min() <= stretched.max() < 1.3


def test_a_filter_bank_keeps_its_norm_whatever_the_size_of_its_gradient() -> None:
    bank = nn.Parameter(torch.randn(16, 8, 3, 3) * 100)
    optimizer = Muon([bank], lr=0.1, momentum=0.6)
    turned = []
    for size in (1e-4, 1e4):
        before = bank.detach() / bank.detach().norm()
        bank.grad = torch.randn_like(bank) * size
        optimizer.step()
        turned.append(float((bank.detach() / bank.detach().norm() - before).norm()))

    assert 3 < bank.detach().norm() < 5  # sqrt(16), and a tenth of about that in another direction
    assert turned[0] == pytest.approx(turned[1], rel=0.3)


def test_the_schedule_moves_the_filters_and_the_rest_in_proportion(recipe: Recipe, execution: Execution) -> None:
    base = replace(
        recipe, optimizer="muon", lr=0.2, momentum=0.6, optimizer_options={"others": 0.01}, ema=0, schedule="one-cycle",
        schedule_options={"warmup": 0.5, "start": 0.0}, architecture="fastnet", shape={"stem": 8, "widths": (16,)},
    )
    learner = Learner(base, execution, seed=0, steps=4)
    rates = []
    for _ in range(4):
        learner.step(torch.randn(4, 1, 28, 28), torch.arange(4))
        rates.append([group["lr"] for group in learner.optimizer.param_groups])

    assert rates == [pytest.approx(pair) for pair in ([0, 0], [0.1, 0.005], [0.2, 0.01], [0.1, 0.005])]


def test_a_state_that_was_saved_goes_on_as_if_nothing_had_been() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    images = torch.randn(8, 1, 4, 4)

    def made(of: nn.Module) -> MuonAndAdamW:
        return MuonAndAdamW(of.parameters(), lr=0.1, momentum=0.6, others=0.01, fused=False)

    def step(of: nn.Module, by: MuonAndAdamW) -> None:
        by.zero_grad()
        of(images).square().sum().backward()
        by.step()

    first = made(network)
    step(network, first)
    other = copy.deepcopy(network)
    second = made(other)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    step(network, first)
    step(other, second)

    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_network_without_filters_is_refused() -> None:
    with pytest.raises(ValueError, match="use adamw"):
        MuonAndAdamW(nn.Linear(2, 2).parameters(), lr=0.1, momentum=0.6, others=0.01, fused=False)


def test_a_whitened_stem_gives_uncorrelated_answers_of_one_size_and_is_not_learned(execution: Execution) -> None:
    base = RECIPES["fm-fast"]
    recipe = replace(base, shape={**base.shape, "whitened": True})
    torch.manual_seed(0)
    images = torch.nn.functional.avg_pool2d(torch.randn(200, 1, 28, 28), 3, stride=1, padding=1)

    learner = Learner(recipe, execution, seed=0, steps=2, sample=lambda: images)

    stem = learner.network.features[0]  # type: ignore[union-attr,index]
    assert not stem.weight.requires_grad
    with torch.no_grad():
        answers = stem(images)[:, :8, 1:-1, 1:-1].transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.cov(answers), torch.eye(8), rtol=0, atol=0.15)
    before = stem.weight.clone()
    learner.step(images[:10], torch.arange(10))
    assert torch.equal(before, stem.weight)


def test_a_whitened_stem_that_is_too_wide_says_how_wide_it_may_be(execution: Execution) -> None:
    base = RECIPES["fm-fast"]
    recipe = replace(base, shape={**base.shape, "stem": 32, "whitened": True})

    with pytest.raises(ValueError, match="allow two per number, 18"):
        Learner(recipe, execution, seed=0, steps=2, sample=lambda: torch.randn(8, 1, 28, 28))
