"""Every experiment, by name. Data only: importing this costs no torch.

Each family is one file with complete literals; a variant is `replace(base, what differs)`, one level deep.

    RECIPES         the reports' 24 networks, a failure worth seeing, and our own: what `all` trains
    VARIANTS        what the reports name without a figure; trained when asked for by name
    PARAMETERS      trainable numbers of each; checked against the networks by the tests
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping

from training.recipe import Recipe
from training.recipes import activations, borrowed, dense_and_conv, fast, fractions, gated, ladder, mixer
from training.recipes.parameters import PARAMETERS

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for family in (ladder, mixer, dense_and_conv, gated, activations, fractions, fast)
    for recipe in family.RECIPES
}
VARIANTS: dict[str, Recipe] = {
    recipe.name: recipe for family in (mixer, dense_and_conv, gated, borrowed, fractions) for recipe in family.VARIANTS
}
EVERY_RECIPE: Mapping[str, Recipe] = ChainMap(RECIPES, VARIANTS)

__all__ = ["EVERY_RECIPE", "PARAMETERS", "RECIPES", "VARIANTS"]
