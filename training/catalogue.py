"""The recipes as people ask for them: names and globs, the list, one recipe in full."""

from __future__ import annotations

import difflib
import fnmatch
import json
from dataclasses import replace
from pathlib import Path

import torch
from rich.table import Table

from training.architectures import build_network, count_parameters
from training.datasets import resolve
from training.recipe import Recipe
from training.recipes import RECIPES
from training.runs import complete_runs


def select(patterns: list[str]) -> list[Recipe]:
    """The recipes that `patterns` name: names, shell globs or `all`; in the order of RECIPES, none twice.

    ValueError for a pattern that matches none, with the nearest names.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        found = list(RECIPES) if pattern == "all" else fnmatch.filter(RECIPES, pattern)
        if not found:
            near = difflib.get_close_matches(pattern, RECIPES, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "python -m training --list shows all"
            raise ValueError(f"no recipe is called {pattern!r}; {hint}")
        chosen.update(found)
    return [recipe for name, recipe in RECIPES.items() if name in chosen]


def on_data_at_hand(recipe: Recipe) -> Recipe:
    """The recipe, on the stand-in of its data set where only that one is here; then its fingerprint differs."""
    found = resolve(recipe.dataset)
    return recipe if found == recipe.dataset else replace(recipe, dataset=found)


def listing(root: Path | None = None) -> Table:
    """All recipes: data set, parameters, epochs, the reported test accuracy and the mean of our complete runs."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("recipe", no_wrap=True)
    table.add_column("data set", no_wrap=True)
    for heading in ("parameters", "epochs", "reported", "ours (seeds)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what it is", no_wrap=True, overflow="ellipsis")
    for recipe in RECIPES.values():
        runs = complete_runs(recipe.name, root=root)
        ours = f"{sum(run.result['test']['accuracy'] for run in runs) / len(runs):.2%} ({len(runs)})" if runs else "–"
        with torch.device("meta"):  # shapes only: nothing is allocated or drawn
            parameters = count_parameters(build_network(recipe))
        table.add_row(
            recipe.name, recipe.dataset, f"{parameters:,}", str(recipe.epochs), _reported(recipe), ours,
            recipe.description,
        )
    return table


def shown(recipe: Recipe) -> str:
    """The resolved recipe as JSON, with its fingerprint."""
    return json.dumps({**recipe.to_dict(), "fingerprint": recipe.fingerprint}, indent=2)


def _reported(recipe: Recipe) -> str:
    if recipe.reported is None:
        return "–"
    low, high = recipe.reported.test
    return f"{low:.2%}" if low == high else f"{low:.2%} to {high:.2%}"
