"""A result as tables: Markdown for the README, rich for the terminal. Both from the same METRICS rows."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from benchmarks.machine.fingerprint import BUSY, cpu_and_cores
from benchmarks.report.metrics import BY_KEY, Entry, Metric, headline
from benchmarks.report.numbers import MISSING, listed, number
from benchmarks.report.verdict import comparable, lead

IN_README = ("card_accuracy", "response_p50", "response_p99", "throughput", "parameters", "size")
IN_TERMINAL = ("card_accuracy", "accuracy", "response_p50", "response_p99", "throughput", "parameters", "size")
MARKED = ("card_accuracy", "response_p99", "throughput")


def comparison_table(result: dict[str, Any]) -> str:
    """The comparison as a Markdown table, most accurate model first; the best per column in bold, ties included.

    Latency is response time at half of what each model bears in a closed loop; invalid figures are struck out.
    """
    columns = [BY_KEY[key] for key in IN_README]
    entries = ordered(result["models"])
    best = leaders(entries)
    head = ["Model", "Architecture", *(", ".join(filter(None, (metric.label, metric.unit))) for metric in columns)]
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---", "---", *["---:"] * len(columns)]) + "|"]
    for entry in entries:
        cells = [f"`{entry['name']}`", entry["architecture"], *(_markdown(metric, entry, best) for metric in columns)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def caption(result: dict[str, Any]) -> str:
    """The sentence that must stand under every table: machine, method, counts, validity."""
    machine, datasets, settings = result["machine"], result["datasets"], result["settings"]
    requests = sum(load["requests"] for entry in result["models"] for load in entry["loads"])
    state = "valid" if result["validity"]["valid"] else "INVALID: " + "; ".join(
        reason["reason"] for reason in result["validity"]["reasons"])
    apart = "" if comparable(BY_KEY["response_p99"], result["models"]) else (
        ", so each model was asked at a rate of its own and no latency is marked as the best")
    load = machine["load_average"][0]
    busy = f"; load average {load:g} when it began" if load > BUSY * (machine["usable_cores"] or 1) else ""
    return (
        f"{cpu_and_cores(machine)}, {settings['runtime']}, "
        f"{settings['threads']} thread; {requests:,} requests with labelled images of {listed(list(datasets))} "
        f"as {settings['body']}; Poisson arrivals, latency from the intended start at "
        f"{operating_point(result)}{apart}; throughput is that of a closed loop of {settings['connections']} "
        f"connections; one start of each server{busy}; 95 % intervals and raw rows in the report; "
        f"commit {machine['commit']}, seed {settings['seed']}; {state}."
    )


def terminal_table(result: dict[str, Any]) -> Table:
    """The comparison for a terminal, most accurate model first; green leads, red is not to be believed."""
    entries = ordered(result["models"])
    best = leaders(entries)
    table = Table(title=f"latency at {operating_point(result)}", title_justify="left", title_style="dim",
                  header_style="bold", box=None, pad_edge=False)
    columns = [BY_KEY[key] for key in IN_TERMINAL]
    table.add_column("Model", style="bold", no_wrap=True)
    for metric in columns:
        table.add_column(f"{metric.label}\n[dim]{metric.unit}[/]", justify="right")
    for entry in entries:
        table.add_row(entry["name"], *(_rich(metric, entry, best) for metric in columns))
    return table


def ordered(entries: list[Entry]) -> list[Entry]:
    """Most accurate first, by the card where there is a score and else under load."""
    def accuracy(entry: Entry) -> float:
        return BY_KEY["card_accuracy"].measure(entry)[0] or BY_KEY["accuracy"].measure(entry)[0] or 0.0

    return sorted(entries, key=lambda entry: (-accuracy(entry), entry["name"]))


def operating_point(result: dict[str, Any]) -> str:
    """What the headline latencies were measured at."""
    loads = [load for entry in result["models"] if (load := headline(entry))]
    if not loads:
        return "no open load"
    if share := loads[0]["utilisation"]:
        return f"{share:.0%} of each model's own closed-loop throughput"
    return f"{loads[0]['rate_requested']:g} requests/s"


def leaders(entries: list[Entry]) -> dict[str, tuple[str, ...]]:
    """Who is marked as the best, by metric; nobody where the figures cannot be ranked."""
    return {key: found.names for key in MARKED
            if comparable(BY_KEY[key], entries) and (found := lead(BY_KEY[key], entries))}


def _markdown(metric: Metric, entry: Entry, best: dict[str, tuple[str, ...]]) -> str:
    text = number(metric, metric.measure(entry)[0])
    if text == MISSING:
        return text
    if not metric.believable(entry):
        return f"~~{text}~~"
    return f"**{text}**" if entry["name"] in best.get(metric.key, ()) else text


def _rich(metric: Metric, entry: Entry, best: dict[str, tuple[str, ...]]) -> str:
    text = number(metric, metric.measure(entry)[0])
    if text != MISSING and not metric.believable(entry):
        return f"[red]{text}?[/]"
    return f"[green]{text}[/]" if entry["name"] in best.get(metric.key, ()) else text
