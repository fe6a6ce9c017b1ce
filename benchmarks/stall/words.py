"""Both ways of measuring a stall, side by side, for the documents."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name

WHO = {"Quickstart": "locust, the quickstart's user, no pause", "Paced": "locust, 10 users, `constant_throughput(5)`",
       "ours": "**open loop, from the intended start**"}


def stall_table(result: dict[str, Any]) -> str:
    """The table, what was planted, and where it was measured."""
    asked, machine = result["asked"], result["machine"]
    lines = ["| | Requests/s | p50, ms | p95, ms | p99, ms | Longest, ms | Slower than 100 ms |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| {WHO[row['who']]} | {row['per_second']:g} | {row['p50_ms']:,.0f} | {row['p95_ms']:,.0f} | "
              f"{row['p99_ms']:,.0f} | {row['max_ms']:,.0f} | {row['slow_share']:.1%} |" for row in result["rows"]]
    share = asked["stall"] / asked["every"]
    told = (f"The server works {1000 * asked['work']:g} ms per request and sleeps {asked['stall']:g} s once in "
            f"{asked['every']:g} s: whoever comes at a random moment meets a stall with a probability of {share:.0%} "
            f"and then waits for its rest and for the queue behind it. {asked['seconds']:g} s each, on "
            f"{cpu_name(machine)}, {result['created'][:10]}; `python -m benchmarks.stall` repeats it.")
    return "\n".join([*lines, "", told])
