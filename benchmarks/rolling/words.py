"""A rolling replacement in sentences and a table, for the documents and the command."""

from __future__ import annotations

from typing import Any

from benchmarks.machine.fingerprint import cpu_name

PHASES = {"quiet": "between replacements", "starting": "while a successor starts and loads on the same cores",
          "changing": "while the proxy turns and the predecessor ends"}


def stood(result: dict[str, Any]) -> bool:
    """Nothing failed, every answer was from the version it names, both versions answered, all ended with 0."""
    return (not result["failed"] and not result["misnamed"] and result["by_version"].keys() == {"1", "2"}
            and all(step["exit_code"] == 0 for step in result["steps"]))


def rolling_table(result: dict[str, Any]) -> str:
    """What became of the requests, and how long they took meanwhile."""
    machine, asked, versions = result["machine"], result["asked"], result["by_version"]
    of = "" if result["capacity"] is None else f", {asked['utilisation']:.0%} of {result['capacity']:,.0f}/s"
    told = (f"{result['sent']:,} requests at {result['rate']:,.0f}/s{of}, {asked['replicas']} servers replaced: "
            f"**{result['failed']:,} failed**, {result['misnamed']:,} named a version that was not theirs, "
            f"{result['repeated']:,} found their idle connection closed and were sent again. "
            f"Version 1 gave {versions.get('1', 0):,} answers, version 2 {versions.get('2', 0):,}.")
    where = (f"{cpu_name(machine)}, {machine['usable_cores']} cores for the servers, nginx and the load together, "
             f"{result['created'][:10]}.")
    lines = [told, "", "| | Requests | p50, ms | p99, ms | Longest, ms |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {PHASES[row['phase']]} | {row['requests']:,} | {_ms(row['p50_ms'])} | {_ms(row['p99_ms'])} | "
              f"{_ms(row['max_ms'])} |" for row in result["phases"]]
    lines += ["", where]
    return "\n".join(lines)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
