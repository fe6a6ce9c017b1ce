"""The reproduction table: one row per recipe, in the order of the recipes, also for those that were not run yet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from training.recipes import RECIPES
from training.results.summary import row

INDEX = "reproduction.json"
RIGHT_ALIGNED = ("parameters", "reported", "ours, the report's protocol", "ours, clean protocol")
NOT_RUN = "not run yet"


def best_per_recipe(results: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The file that stands for each recipe: the one with the most runs under the report's protocol, then at all."""
    best: dict[str, dict[str, Any]] = {}
    for result in results:
        held = best.get(result["recipe"])
        if held is None or _weight(result) > _weight(held):
            best[result["recipe"]] = result
    return best


def rows(results: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    """One row per recipe, as text."""
    best = best_per_recipe(results)
    return [
        best[name]["row"] if name in best else row(recipe, reason=NOT_RUN) for name, recipe in RECIPES.items()
    ]


def index(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """All rows as data, for readers that know no recipes."""
    table = rows(results)
    return {"schema": 1, "columns": list(table[0]), "right_aligned": list(RIGHT_ALIGNED), "rows": table}


def _weight(result: dict[str, Any]) -> tuple[int, int]:
    seeds = {name: len(held["seeds"]) for name, held in result["protocols"].items()}
    return seeds.get("report", 0), sum(seeds.values())
