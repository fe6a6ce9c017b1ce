"""The reproduction table: one row per recipe, in the order of the recipes, also for those that were not run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from training.recipe import Recipe
from training.recipes import RECIPES
from training.results.durations import duration
from training.results.pooled import per_recipe
from training.results.summary import row

INDEX = "reproduction.json"
RIGHT_ALIGNED = ("parameters", "reported", "ours, the report's protocol", "ours, clean protocol")
NOT_RUN = "not run"


def rows(results: Iterable[dict[str, Any]], probes: Iterable[dict[str, Any]] = ()) -> list[dict[str, str]]:
    """One row per recipe, as text. What was not run says so, and how long it would take where `probes` know it."""
    results, probes = list(results), list(probes)
    best = per_recipe(results)
    return [
        best[name]["row"] if name in best else _not_run(recipe, probes) for name, recipe in RECIPES.items()
    ]


def index(results: Iterable[dict[str, Any]], probes: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """All rows as data, for readers that know no recipes."""
    table = rows(results, probes)
    return {"schema": 1, "columns": list(table[0]), "right_aligned": list(RIGHT_ALIGNED), "rows": table}


def _not_run(recipe: Recipe, probes: list[dict[str, Any]]) -> dict[str, str]:
    known = duration(recipe, (), probes)
    if known is None:
        return row(recipe, word=NOT_RUN, reason=NOT_RUN)
    why = f"{NOT_RUN}: one run takes {known} ({known.machine}), by the step times measured there"
    return row(recipe, word=f"{NOT_RUN}: {known}", reason=why)
