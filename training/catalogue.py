"""The recipes as people ask for them: names and globs, the list, one recipe in full. Torch-free."""

from __future__ import annotations

import difflib
import fnmatch
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from training.datasets import resolve
from training.recipe import Recipe
from training.recipes import EVERY_RECIPE, PARAMETERS, RECIPES, VARIANTS
from training.results.files import FOLDER, read_all
from training.results.pooled import per_recipe
from training.results.summary import figure_range


def select(patterns: list[str]) -> list[Recipe]:
    """The recipes that `patterns` name: names, shell globs or `all`; in the order of the registry, none twice.

    A glob looks among the variants only when no recipe matches it: `fm001-*` trains the report's network and not the
    fifteen it was varied to. ValueError for a pattern that matches none, with the nearest names.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = list(RECIPES) if pattern == "all" else fnmatch.filter(RECIPES, pattern)
        found = found or fnmatch.filter(VARIANTS, pattern)
        if not found:
            near = difflib.get_close_matches(pattern, EVERY_RECIPE, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "python -m training --list shows all"
            raise ValueError(f"no recipe is called {pattern!r}; {hint}")
        chosen.update(found)
    return [recipe for name, recipe in [*RECIPES.items(), *VARIANTS.items()] if name in chosen]


def on_data_at_hand(recipe: Recipe) -> Recipe:
    """The recipe, on the stand-in of its data set where only that one is here; then its fingerprint differs."""
    found = resolve(recipe.dataset)
    return recipe if found == recipe.dataset else replace(recipe, dataset=found)


def listing(folder: Path = FOLDER, *, variants: bool = False) -> Table:
    """All recipes, or the variants: data set, parameters, epochs, the reported test accuracy and ours from `folder`.

    Ours is the mean under the report's protocol, or under clean where there is no report, with the number of seeds.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe", no_wrap=True)
    table.add_column("data set", no_wrap=True)
    for heading in ("parameters", "epochs", "reported", "ours (seeds)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what it is", no_wrap=True, overflow="ellipsis")
    results = per_recipe(read_all(folder))
    for recipe in (VARIANTS if variants else RECIPES).values():
        result = results.get(recipe.name)
        table.add_row(
            recipe.name, result["dataset"] if result else recipe.dataset, f"{PARAMETERS[recipe.name]:,}",
            str(recipe.epochs), figure_range(recipe), _ours(result), result["verdict"]["word"] if result else "-",
            recipe.description,
        )
    return table


def shown(recipe: Recipe) -> str:
    """The resolved recipe as JSON, with its fingerprint."""
    return json.dumps({**recipe.to_dict(), "fingerprint": recipe.fingerprint}, indent=2)


def _ours(result: dict[str, Any] | None) -> str:
    if result is None:
        return "-"
    held = result["protocols"].get("report") or result["protocols"]["clean"]
    return f"{100 * held['summary']['mean']:.2f} ({held['summary']['n']})"
