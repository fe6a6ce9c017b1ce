"""Statistics of the micro-benchmarks from their raw timings, each read against a control on the same bytes.

pytest-benchmark reports no percentiles; its file holds every timing, so they are computed here. The ratio to the
control is what survives a change of machine: `decode-png` at 3 x zlib says more than 40 microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def read_micro(path: Path) -> list[dict[str, Any]]:
    """One entry per benchmark, controls included, with percentiles in microseconds and the ratio of medians."""
    raw = json.loads(path.read_text())["benchmarks"]
    entries = [_entry(benchmark) for benchmark in raw]
    medians = {entry["name"]: entry["p50_us"] for entry in entries}
    for entry in entries:
        control = medians.get(entry["control"])
        entry["ratio"] = round(entry["p50_us"] / control, 2) if control else None
    return entries


def pooled(files: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The contents of pytest-benchmark's files of the same benchmarks as one: of the first, with the timings of all.

    Of the statistics only those are kept that still hold.
    """
    first, *others = files
    if not others:
        return first
    for benchmark in first["benchmarks"]:
        same = [one for other in others for one in other["benchmarks"] if one["fullname"] == benchmark["fullname"]]
        timings = [timing for one in (benchmark, *same) for timing in one["stats"]["data"]]
        benchmark["stats"] = {"data": timings, "rounds": len(timings), "iterations": benchmark["stats"]["iterations"]}
    add_percentiles(first)
    return first


def add_percentiles(content: dict[str, Any]) -> None:
    """Seconds, in each benchmark's `extra_info`, for whoever reads pytest-benchmark's file itself."""
    for benchmark in content["benchmarks"]:
        timings = benchmark["stats"].get("data")
        if timings:
            p50, p95, p99 = np.percentile(timings, (50, 95, 99)).tolist()
            benchmark["extra_info"] |= {"p50_s": p50, "p95_s": p95, "p99_s": p99}


def _entry(benchmark: dict[str, Any]) -> dict[str, Any]:
    timings = np.array(benchmark["stats"]["data"]) * 1e6
    p50, p90, p99 = np.percentile(timings, (50, 90, 99)).round(3).tolist()
    info = benchmark["extra_info"]
    return {
        "name": info["name"],
        "group": benchmark["group"],
        "control": info.get("control"),
        "model": info.get("model"),
        "batch": info.get("batch", 1),
        "rounds": len(timings),
        "iterations": benchmark["stats"]["iterations"],
        "p50_us": p50,
        "p90_us": p90,
        "p99_us": p99,
        "info": info,
    }
