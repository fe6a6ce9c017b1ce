"""Recipes are data: complete, checked when made, and told apart by their fingerprint."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from training.architectures import ARCHITECTURES
from training.architectures.initial import INITS
from training.augment import AUGMENTATIONS
from training.datasets import DATASETS
from training.optimizers import OPTIMIZERS
from training.protocol import Protocol
from training.recipe import CHOICES, PROSE, Normalization, Recipe, Reported
from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS
from training.schedules import SCHEDULES

OTHER: dict[str, Any] = {
    "name": "other",
    "description": "other words",
    "dataset": "cifar10",
    "architecture": "tinyvgg",
    "shape": {"hidden": 12},
    "normalization": Normalization((0.1,), (0.2,)),
    "init": "xavier-normal",
    "epochs": 77,
    "batch_size": 77,
    "optimizer": "rmsprop",
    "lr": 0.077,
    "momentum": 0.77,
    "weight_decay": 0.077,
    "optimizer_options": {"others": 0.77},
    "schedule": "one-cycle",
    "schedule_options": {"warmup": 0.77},
    "label_smoothing": 0.077,
    "ema": 0.77,
    "teacher": "seven",
    "distillation": {"weight": 0.77, "temperature": 7.0},
    "augment": {"shift": {"pixels": 7}},
    "fraction": 0.77,
    "validation": 77,
    "report": Protocol(held_out=7, watches="test", tests_on="test"),
    "floor": 0.77,
    "reported": Reported(test=(0.7, 0.7)),
}


def test_the_names_recipes_may_use_are_those_of_the_tables() -> None:
    tables = {
        "dataset": DATASETS,
        "architecture": ARCHITECTURES,
        "init": INITS,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "augment": AUGMENTATIONS,
    }

    assert {what: set(names) for what, names in CHOICES.items()} == {what: set(table) for what, table in tables.items()}


def test_every_report_and_both_families_of_our_own_are_there() -> None:
    families = ("fm000-", "fm001-", "fm002-", "cf003", "cf004-", "fm004-frac-", "fm-fast", "cf-fast")

    counts = [sum(name.startswith(family) for name in RECIPES) for family in families]

    assert counts == [4, 1, 5, 1, 9, 5, 10, 7]  # fm000 with its output-ReLU variant


def test_recipe_names_are_unique() -> None:
    from training.recipes import activations, borrowed, dense_and_conv, fast, fractions, gated, ladder, mixer

    families = (activations, dense_and_conv, fast, fractions, gated, ladder, mixer)
    varied = (borrowed, dense_and_conv, fractions, gated, mixer)

    assert len(RECIPES) == sum(len(family.RECIPES) for family in families)
    assert len(EVERY_RECIPE) == len(RECIPES) + sum(len(family.VARIANTS) for family in varied)


def test_what_the_reports_only_name_is_there_and_claims_no_figure() -> None:
    families = ("fm001-mixer-batch", "fm001-mixer-epochs", "fm001-mixer-init", "fm002-ann", "fm002-cnn", "fm002-next")

    assert [sum(name.startswith(family) for name in VARIANTS) for family in families] == [6, 4, 3, 10, 5, 3]
    assert all(recipe.reported is None and recipe.report for recipe in VARIANTS.values())


def test_a_variant_differs_from_its_base_in_what_its_name_says() -> None:
    base = RECIPES["fm001-mixer"]

    assert replace(VARIANTS["fm001-mixer-batch-64"], batch_size=128).fingerprint != base.fingerprint  # the name counts
    assert replace(VARIANTS["fm001-mixer-batch-64"], name=base.name, batch_size=128).fingerprint == base.fingerprint


@pytest.mark.parametrize("recipe", EVERY_RECIPE.values(), ids=list(EVERY_RECIPE))
def test_a_recipe_survives_the_way_through_json(recipe: Recipe) -> None:
    again = Recipe.from_dict(recipe.to_dict())

    assert (again.to_dict(), again.fingerprint) == (recipe.to_dict(), recipe.fingerprint)


def test_fingerprints_differ_between_recipes() -> None:
    assert len({recipe.fingerprint for recipe in EVERY_RECIPE.values()}) == len(EVERY_RECIPE)


@pytest.mark.parametrize("name", [entry.name for entry in fields(Recipe)])
def test_the_fingerprint_follows_what_is_learned_and_not_the_prose(recipe: Recipe, name: str) -> None:
    changed = replace(recipe, **{name: OTHER[name]})

    assert (changed.fingerprint == recipe.fingerprint) == (name in PROSE)


def test_the_order_of_augmentations_is_part_of_the_fingerprint(recipe: Recipe) -> None:
    turned = replace(recipe, augment=dict(reversed(list(recipe.augment.items()))))

    assert turned.fingerprint != recipe.fingerprint


@pytest.mark.parametrize("what", ["dataset", "architecture", "init", "optimizer", "schedule"])
def test_an_unknown_name_is_refused_with_the_recipe_and_the_known_ones(recipe: Recipe, what: str) -> None:
    with pytest.raises(ValueError, match=rf"recipe toy: unknown {what} 'nonsense'; known: {CHOICES[what][0]}"):
        replace(recipe, **{what: "nonsense"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": {"twirl": {}}}, "unknown augment 'twirl'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"lr": -1.0}, r"lr is -1\.0"),
        ({"fraction": 0.0}, r"fraction is 0\.0"),
        ({"normalization": Normalization((0.0,), (0.0,))}, "positive std"),
        ({"name": "Upper Case"}, "lower-case"),
    ],
)
def test_impossible_values_are_refused_by_name(recipe: Recipe, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(recipe, **changes)


def test_a_recipe_of_ours_has_no_report_protocol() -> None:
    with pytest.raises(ValueError, match="fm-fast is not from a report"):
        RECIPES["fm-fast"].protocol("report")


def test_a_recipe_cannot_be_changed_in_place(recipe: Recipe) -> None:
    with pytest.raises(TypeError):
        recipe.shape["hidden"] = (1,)  # type: ignore[index]
