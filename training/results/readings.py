"""What variants add to a verdict: where a figure is not reproduced, another reading of the report may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS
from training.results.verdict import REPRODUCED

Result = dict[str, Any]


def other_readings(result: Result, results: Iterable[Result]) -> str:
    """Our figures for the variants of a recipe whose figure is not reproduced, as a clause; empty where there are none.

    Compared are runs on the same data set and kind of device, under the report's protocol.
    """
    if result["verdict"]["word"] in ("-", REPRODUCED):
        return ""
    found = []
    for other in results:
        same = (other["dataset"], other["device"]) == (result["dataset"], result["device"])
        if same and base_of(other["recipe"]) == result["recipe"] and "report" in other["protocols"]:
            summary = other["protocols"]["report"]["summary"]
            found.append(f"{other['recipe']} gives {100 * summary['mean']:.2f} % (n = {summary['n']})")
    return f"other readings tried: {', '.join(found)}" if found else ""


def base_of(variant: str) -> str | None:
    """The recipe a variant is named after: the longest name that begins its own; None for a recipe."""
    if variant not in VARIANTS:
        return None
    bases = [name for name in RECIPES if variant.startswith(f"{name}-")]
    close = [name for name in bases if EVERY_RECIPE[name].dataset == VARIANTS[variant].dataset]
    return max(close, key=len, default=None)


def tell(result: Result, clause: str) -> None:
    """Add a clause to a result's reason, in its verdict and in its row."""
    reason = f"{result['verdict']['reason']}; {clause}"
    result["verdict"]["reason"] = result["row"]["why"] = reason
