"""One result per recipe, from the runs on every kind of device.

What a network learns does not depend on where it learns it: the way each run computes follows plain fp32, or the probe
turns it down. So runs on CPUs and GPUs count together. But a seed stands for one beginning and one order of images, and
its runs on two devices resemble each other, to the last digit where they are short: each seed counts once, as run on
the device with more of them. Where verdicts by device differ, that is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from training.recipes import EVERY_RECIPE
from training.results.readings import other_readings, tell
from training.results.summary import Entries, summarise

Result = dict[str, Any]


def per_recipe(results: Iterable[Result]) -> dict[str, Result]:
    """By recipe: the file with the most runs, with the seeds that only other devices ran on the same data."""
    every = list(results)
    lead: dict[str, Result] = {}
    for result in every:
        held = lead.get(result["recipe"])
        if held is None or _weight(result) > _weight(held):
            lead[result["recipe"]] = result
    return {name: _with_others(result, every) for name, result in lead.items()}


def _with_others(lead: Result, every: list[Result]) -> Result:
    others = [other for other in every if (other["recipe"], other["dataset"]) == (lead["recipe"], lead["dataset"])
              and other["device"] != lead["device"]]
    pooled, used = _entries(lead), [lead["device"]]
    for other in others:
        known = {protocol: {kept["seed"] for kept in kept_here} for protocol, kept_here in pooled.items()}
        for protocol, entries in _entries(other).items():
            if new := [kept for kept in entries if kept["seed"] not in known.get(protocol, ())]:
                pooled.setdefault(protocol, []).extend(new)
                used.append(other["device"])
    result = lead
    if len(used) > 1:
        recipe = replace(EVERY_RECIPE[lead["recipe"]], dataset=lead["dataset"])
        result = summarise(recipe, " and ".join(dict.fromkeys(used)), pooled)
        if told := other_readings(result | {"device": lead["device"]}, every):
            tell(result, told)
    if differing := [_alone(other) for other in (lead, *others) if _differs(other, result)]:
        result = {**result, "verdict": dict(result["verdict"]), "row": dict(result["row"])}  # the files stay theirs
        tell(result, f"by themselves: {', '.join(differing)}")
    return result


def _entries(result: Result) -> Entries:
    """Its seeds as `summarise` takes them."""
    return {
        protocol: [{**kept, "environment": result["environments"][kept["environment"]]} for kept in held["seeds"]]
        for protocol, held in result["protocols"].items()
    }


def _differs(other: Result, result: Result) -> bool:
    return other is not result and "-" not in (words := {other["verdict"]["word"], result["verdict"]["word"]}) \
        and len(words) > 1


def _alone(result: Result) -> str:
    return f"on {result['device']} {result['verdict']['word']} (n = {len(result['protocols']['report']['seeds'])})"


def _weight(result: Result) -> tuple[int, int]:
    seeds = {name: len(held["seeds"]) for name, held in result["protocols"].items()}
    return seeds.get("report", 0), sum(seeds.values())
