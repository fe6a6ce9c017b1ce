"""The optimisers recipes may name. Each entry builds one from parameters, a recipe, and the machine's `fused` wish."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn, optim

from training.muon import MuonAndAdamW
from training.recipe import Recipe

Parameters = Iterable[nn.Parameter]


def _sgd(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:
    return optim.SGD(
        parameters, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=fused
    )


def _adam(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:
    return optim.Adam(parameters, recipe.lr, weight_decay=recipe.weight_decay, fused=fused)


def _adamw(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:
    return optim.AdamW(parameters, recipe.lr, weight_decay=recipe.weight_decay, fused=fused)


def _asgd(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:  # noqa: ARG001 - has no fused step
    return optim.ASGD(parameters, recipe.lr, weight_decay=recipe.weight_decay)


def _rmsprop(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:  # noqa: ARG001 - as above
    return optim.RMSprop(parameters, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def _adagrad(parameters: Parameters, recipe: Recipe, fused: bool) -> optim.Optimizer:  # noqa: ARG001 - on the CPU only
    return optim.Adagrad(parameters, recipe.lr, weight_decay=recipe.weight_decay)


def _muon(parameters: Parameters, recipe: Recipe, fused: bool) -> MuonAndAdamW:
    return MuonAndAdamW(
        parameters, lr=recipe.lr, momentum=recipe.momentum, fused=fused, others=recipe.optimizer_options["others"]
    )


OPTIMIZERS: dict[str, Callable[[Parameters, Recipe, bool], optim.Optimizer | MuonAndAdamW]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "asgd": _asgd,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "muon": _muon,
}
