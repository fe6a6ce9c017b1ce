"""Published soaks and floods as one Markdown table."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name

Result = dict[str, Any]
TITLES = {"soak": "soak", "fuzz": "flood of broken requests"}
COUNTED = {
    "reloads": "model reloads", "left": "clients that left", "trickled": "slow clients", "stalled": "stalled clients",
    "broken": "broken requests", "told to come back": "told to come back",
}


def table(results: list[Result]) -> str:
    """A row per run: what it went through, what went wrong, and what its memory did."""
    lines = ["| Run | Length | Answers | Wrong | Lost or mixed up | 5xx not asked for | Memory | It stood |",
             "|---|---:|---:|---:|---:|---:|---|---|"]
    return "\n".join([*lines, *map(_row, results)])


def caption(result: Result) -> str:
    """What else happened meanwhile, and where."""
    machine, counts = result["machine"], result["counts"]
    told = [f"{counts[kind]:,} {title}" for kind, title in COUNTED.items() if counts.get(kind)]
    load = (f"{result['rate']:,.0f} requests a second, {result['utilisation']:.0%} of the capacity"
            if result["kind"] == "soak" else f"{len(result['kinds'])} kinds of broken bodies")
    workers = f"{result['workers']} worker{'s' * (result['workers'] > 1)}"
    where = f"{cpu_name(machine)}, {machine['usable_cores']} cores, {machine['at'][:10]}"
    return (f"{TITLES[result['kind']].capitalize()}: {'; '.join([load, ', '.join(told)] if told else [load])}. "
            f"{result['model']}, {workers}, {where}.")


def _row(result: Result) -> str:
    faults, memory = result["faults"], result["memory"]
    answers = sum(result["statuses"].values())
    growth = "unknown: too short" if memory["growth"] is None else f"{memory['growth']:+.2%} after settling"
    if memory["growth"] is not None and memory["flat"] is None:
        growth += ", not decided"
    length = f"{result['seconds'] / 60:.0f} min" if result["seconds"] >= 60 else f"{result['seconds']:.0f} s"
    return (f"| {TITLES[result['kind']]} | {length} | {answers:,} | {faults['wrong']} "
            f"| {faults['lost'] + faults['mixed up']} | {faults['server errors']} | {growth} "
            f"| {'yes' if result['stood'] else 'no'} |")
