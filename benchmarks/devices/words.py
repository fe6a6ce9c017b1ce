"""Timed devices in words: the table of the documents and of the terminal, and what must stand under it."""

from __future__ import annotations

from typing import Any

from benchmarks.devices.result import unsteadiness
from benchmarks.devices.ways import BASE, CONTROL
from benchmarks.machine.fingerprint import cpu_name

Result = dict[str, Any]
Row = dict[str, Any]


def columns(result: Result) -> list[str]:
    """Model, batch, and each way that ran but the control, which is in the sentence below."""
    return ["Model", "Batch", *(_title(result["ways"][name]) for name in _shown(result))]


def cells(result: Result, row: Row) -> list[str]:
    """One row: microseconds, and in brackets what they are of the CPU's one thread."""
    return [row["model"].split("@")[0], str(row["batch"]), *(_cell(row["times"], name) for name in _shown(result))]


def table(result: Result) -> str:
    """Markdown."""
    heads = columns(result)
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    lines += ["| " + " | ".join(cells(result, row)) + " |" for row in result["rows"]]
    return "\n".join([*lines, "", caption(result)])


def caption(result: Result) -> str:
    """What the figures are, how far to trust them, where and when they were taken, and what is not among them."""
    counts = [one["calls"] for row in result["rows"] for one in row["times"].values()]
    versions = dict.fromkeys(f"{_library(way['runtime'])} {way['version']}" for way in result["ways"].values())
    gpu, machine = result["gpu"], result["machine"]
    with_gpu = f"{gpu['name']} (driver {gpu['driver']}), " if "name" in gpu else ""
    measured = (
        "Median µs of one call, and in brackets its ratio to one CPU thread: below 1 is quicker. One caller, numpy in "
        f"and out, ways in turns; {min(counts):,} to {max(counts):,} calls each; the CPU a second time, as a control, "
        f"differed by at most {unsteadiness(result) - 1:.0%}. " if counts else "Nothing was measured. ")
    return (f"{measured}{with_gpu}{cpu_name(machine)}, {machine['usable_cores']} cores, {', '.join(versions)}, commit "
            f"{machine['commit']}, {result['created'][:10]}; `{result['command']}`."
            + "".join(f" {note}" for note in [*left_out(result), *result["notes"]]))


def left_out(result: Result) -> list[str]:
    """A sentence for each reason, with all that it kept out."""
    by_reason: dict[str, dict[str, list[str]]] = {}
    for each in result["left_out"]:
        by_reason.setdefault(each["reason"], {}).setdefault(each["model"].split("@")[0], []).append(each["way"])
    told = []
    for reason, models in by_reason.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for model, names in models.items():
            together.setdefault(tuple(names), []).append(model)
        what = "; ".join(f"{', '.join(names)} of {', '.join(found)}" for names, found in together.items())
        told.append(f"Left out: {what} ({reason}).")
    return told


def _shown(result: Result) -> list[str]:
    return [name for name in result["ways"] if name != CONTROL]


def _cell(times: dict[str, dict[str, float]], name: str) -> str:
    if name not in times:
        return "–"
    us, ratio = f"{times[name]['p50_us']:,.0f}", times[name]["ratio"]
    if name == BASE:
        return us
    return f"{us} ({ratio:,.0f})" if ratio >= 10 else f"{us} ({ratio:#.2g})"


def _title(way: dict[str, Any]) -> str:
    if way["device"] == "cuda":
        return f"`{way['runtime']}`, CUDA"
    return f"CPU, {way['threads']} thread{'s' if way['threads'] > 1 else ''}"


def _library(runtime: str) -> str:
    return "torch" if runtime == "torchscript" else "ONNX Runtime"
