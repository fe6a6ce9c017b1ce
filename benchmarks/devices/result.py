"""The result of timing devices: percentiles and ratios from raw seconds, and what of it is committed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.publish import RESULTS
from benchmarks.comparison.run import RunError
from benchmarks.devices.ways import BASE, CONTROL
from benchmarks.machine.fingerprint import slug
from service.card import write_atomically

Result = dict[str, Any]
PUBLISHED = RESULTS / "devices"
UNSTEADY = 1.1  # the control's median over its twin's, or its inverse, above which a result is not for keeping


def as_result(
    found: dict[str, Any], *, machine: dict[str, Any], gpu: dict[str, str], asked: dict[str, Any], command: str
) -> Result:
    """JSON-ready, with where and when. Raw seconds stay behind: rows keep how many there were, and percentiles."""
    rows = [{"model": row["model"], "batch": row["batch"], "times": summaries(row["seconds"])} for row in found["rows"]]
    return {"schema_version": 1, "created": machine["at"], "command": command, "machine": machine, "gpu": gpu,
            "asked": asked, **found, "rows": rows, "notes": []}


def summaries(seconds: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Of each way: calls, percentiles in microseconds, and its median over that of the CPU's one thread."""
    found = {}
    for name, taken in seconds.items():
        p50, p90, p99 = np.percentile(taken * 1e6, (50, 90, 99)).round(1).tolist()
        found[name] = {"calls": len(taken), "p50_us": p50, "p90_us": p90, "p99_us": p99}
    return with_ratios(found)


def with_ratios(times: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """The same with `ratio`, to the CPU's one thread; below 1 is quicker."""
    base = times[BASE]["p50_us"]
    return {name: {**one, "ratio": round(one["p50_us"] / base, 4)} for name, one in times.items()}


def unsteadiness(result: Result) -> float:
    """How far the control was from its twin where it was farthest, as a factor from 1 on."""
    return max((max(ratio, 1 / ratio) for row in result["rows"] if (ratio := row["times"][CONTROL]["ratio"]) > 0),
               default=1.0)


def write_result(result: Result, path: Path) -> Path:
    """Store it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")


def publish(result: Result, folder: Path = PUBLISHED) -> Path:
    """Store it as `<machine>-<gpu>.json`, to be committed; RunError where no GPU ran or the machine was restless."""
    if not any(way["device"] == "cuda" for way in result["ways"].values()):
        raise RunError("not published, because nothing ran on a GPU: the table in the documents is about GPUs")
    if "name" not in result["gpu"]:
        raise RunError(f"not published, because the GPU's name is not known: {result['gpu']['unknown']}")
    if not result["rows"]:
        raise RunError("not published, because nothing was measured")
    if (factor := unsteadiness(result)) > UNSTEADY:
        raise RunError(f"not published, because the CPU beside itself differed by a factor of {factor:.2f} (at most "
                       f"{UNSTEADY}); run it again when nothing else runs")
    gpu = re.sub(r"[^a-z0-9]+", "-", result["gpu"]["name"].lower()).strip("-")
    return write_result(result, folder / f"{slug(result['machine'])}-{gpu}.json")
