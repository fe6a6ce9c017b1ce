"""What variants add to a verdict: where a figure is not reproduced, another reading of the report may be.

A reading is not chosen by its test accuracy. Where the report prints its train and validation losses, they say which
reading is nearest to what was run, and no test image has a say in them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from training.recipes import EVERY_RECIPE, RECIPES, VARIANTS
from training.results.summary import losses_of
from training.results.verdict import REPRODUCED

Result = dict[str, Any]


def other_readings(result: Result, results: Iterable[Result]) -> str:
    """Our figures for the variants of a recipe whose figure is not reproduced, as a clause; empty where there are none.

    Compared are runs on the same data set and kind of device, under the report's protocol.
    """
    if result["verdict"]["word"] in ("-", REPRODUCED):
        return ""
    here = [other for other in results if _answers(other, result)]
    if not here:
        return ""
    told = ", ".join(map(_told, here))
    return f"other readings tried: {told}{_nearest(result, here)}"


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


def _answers(other: Result, result: Result) -> bool:
    same = (other["dataset"], other["device"]) == (result["dataset"], result["device"])
    return same and base_of(other["recipe"]) == result["recipe"] and "report" in other["protocols"]


def _told(other: Result) -> str:
    summary = other["protocols"]["report"]["summary"]
    return f"{other['recipe']} gives {100 * summary['mean']:.2f} % (n = {summary['n']})"


def _nearest(result: Result, others: list[Result]) -> str:
    """Which of all readings, the recipe's own among them, ends nearest to the reported losses; empty without any."""
    if not (reported := (result["reported"] or {}).get("losses")):
        return ""
    distances = {}
    for other in (result, *others):
        if ours := losses_of(other["protocols"]["report"]["seeds"]):
            distances[other["recipe"]] = sum(abs(math.log(a / b)) for a, b in zip(ours, reported, strict=True)), ours
    if len(distances) < 2:
        return ""
    name, (_, ours) = min(distances.items(), key=lambda kept: kept[1][0])
    words = "our reading" if name == result["recipe"] else name
    return f"; nearest to the reported losses comes {words} with {ours[0]:.3f} and {ours[1]:.3f}"
