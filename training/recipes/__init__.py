"""Every experiment, by name. Data only: importing this costs no torch.

Each family is one file with complete literals; a variant is `replace(base, what differs)`, one level deep.
"""

from __future__ import annotations

from training.recipe import Recipe
from training.recipes import activations, dense_and_conv, fast, fractions, gated, ladder, mixer

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for family in (ladder, mixer, dense_and_conv, gated, activations, fractions, fast)
    for recipe in family.RECIPES
}
