"""What a job cost the requests beside it, in a table and a sentence, for the documents."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name


def yielding_table(result: dict[str, Any]) -> str:
    """Percentiles of /predict alone and beside the job, and their ratio."""
    machine, sides = result["machine"], ("alone", "beside")
    lines = [f"| {result['model']}, {result['rate']:,.0f} requests/s | Requests | p50, ms | p90, ms | p99, ms |",
             "|---|---:|---:|---:|---:|"]
    lines += [f"| {name} | {result[side]['requests']:,} | " + " | ".join(
        f"{result[side][share]:.2f}" for share in ("p50", "p90", "p99")) + " |"
        for side, name in zip(sides, ("alone", "beside a job"), strict=True)]
    ratio, rounds = result["ratio"], result["p99_ratio_per_round"]
    lines += [f"| ratio | | {ratio['p50']:.2f} | {ratio['p90']:.2f} | {ratio['p99']:.2f} |", ""]
    met = "held" if result["gives_way"] else "missed"
    lines.append(
        f"The goal, a p99 of at most {result['limit']:g} times, was {met}; round by round it was {min(rounds):.2f} to "
        f"{max(rounds):.2f} times. Half of {len(rounds)} x 2 rounds of {result['seconds']:g} s stood beside jobs of "
        f"`{result['split']}`, which scored {result['scored_images']:,} images meanwhile on the same core. "
        f"{cpu_name(machine)}, {result['cores']}, {machine['at'][:10]}."
    )
    return "\n".join(lines)
