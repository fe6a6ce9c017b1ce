"""How long one run of a recipe takes: as a committed result has it, else from measured step times, else unknown.

    python -m training probe fm001-mixer       measure steps here and commit them to probes.json

What follows from steps is of one core: the CPU time of the shortest, times the steps of a whole run, with no
scoring in it.
Torch-free; the command that measures is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from training.recipe import Recipe

PROBES = "probes.json"


@dataclass(frozen=True)
class Duration:
    """Seconds of one run, and the machine; not `whole`: of one core, worked out from single steps."""

    seconds: float
    machine: str
    whole: bool

    def __str__(self) -> str:
        """`about 3 minutes`, or `about 2 hours of one core` where only steps were measured."""
        return f"about {spoken(self.seconds)}" if self.whole else f"about {spoken(self.seconds)} of one core"


def duration(recipe: Recipe, results: Iterable[dict[str, Any]], probes: Iterable[dict[str, Any]]) -> Duration | None:
    """From a whole run of the recipe on any copy of its data, on a CPU where there is one; None when nobody knows."""
    runs = [result for result in results if result["recipe"] == recipe.name]
    for result in sorted(runs, key=lambda result: str(result["device"])):
        seeds = [seed for held in result["protocols"].values() for seed in held["seeds"]]
        where = result["environments"][seeds[0]["environment"]]["machine"]
        return Duration(fmean(seed["wall_s"] for seed in seeds), place(where), whole=True)
    for measured in probes:
        if measured["recipe"] == recipe.name:
            return Duration(measured["seconds"], place(measured["machine"]), whole=False)
    return None


def read_probes(folder: Path) -> list[dict[str, Any]]:
    """What `folder` holds of step times; an older version of a recipe is nearly as long and counts too."""
    path = folder / PROBES
    return list(json.loads(path.read_bytes())["probes"]) if path.is_file() else []


def place(machine: dict[str, Any]) -> str:
    """A machine in a few words."""
    if machine.get("gpu"):
        return str(machine["gpu"])
    cpu, cores = machine["cpu"], machine.get("cores")
    cpu = f"{cpu} ({machine['generation']})" if machine.get("generation") else cpu
    return f"{cores} cores of {cpu}" if cores else str(cpu)


def spoken(seconds: float) -> str:
    """A length of time as people say it: `40 seconds`, `12 minutes`, `1.6 hours`."""
    for unit, length in (("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length:
            count = seconds / length
            return f"{count:.1f} {unit}s" if count < 3 and unit == "hour" else f"{count:.0f} {unit}s"
    return f"{max(1, round(seconds))} seconds"
