"""A decision for a terminal and as Markdown. Both say first what to deploy, and then why nothing else."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.capacity.slo import arriving
from benchmarks.decision.merits import known_accuracy, percent, shown_bracket
from benchmarks.decision.names import in_a_row, in_common, short_names
from benchmarks.decision.trades import trades
from benchmarks.machine.fingerprint import cpu_and_cores
from benchmarks.report.numbers import MISSING, milliseconds

Result = dict[str, Any]
Entry = dict[str, Any]
MARK = {"recommended": "**deploy**", "tie": "tie", "fits": "fits", "rejected": "no"}
MANY = 5  # rows that are folded away
RULE = ("Capacity is the highest rate of {} that keeps the objective, as a bracket of a rate that passed and one that "
        "failed, by MLPerf's early-stopping rule at a nominal 99 % (it takes requests for independent); this is no "
        "MLPerf result. Failures, timeouts and drops count as missed.")


def rule(asked: dict[str, Any]) -> str:
    """What a capacity is, for a wish or a question."""
    return RULE.format(arriving(asked))


def markdown(result: Result) -> str:
    """The whole decision for a pull request, a job summary or a page."""
    decision, wish, names = result["decision"], result["wish"], short_names(result["configurations"])
    lines = [f"### {_prefix(result)}{decision['sentence']}", ""]
    if decision["command"]:
        lines += ["```sh", decision["command"], "```", ""]
    lines += [f"- {reason}" for reason in decision["because"]] + ([""] if decision["because"] else [])
    lines += [f"- but {caveat}" for caveat in decision["caveats"]] + ([""] if decision["caveats"] else [])
    beside = trades(result["configurations"], wish)
    lines += [f"- or {trade}" for trade in beside] + ([""] if beside else [])
    head = ["", configuration(result), "Accuracy", f"Capacity, {wish['objective_text']}", _tail(wish),
            "Headroom", cost_title(wish), "Why not"]
    lines += ["| " + " | ".join(head) + " |", "|---|---|---:|---:|---:|---:|---:|---|"]
    lines += ["| " + " | ".join([MARK[entry["verdict"]], names[entry["id"]], *cells(entry, wish)]) + " |"
              for entry in result["configurations"]]
    lines += ["", *refinement(result), *(f"Left out: {sentence}." for sentence in result["left_out"])]
    machine = result["machine"]
    place = f"{cpu_and_cores(machine)}; {result['cores']}"
    lines += ["", rule(wish), "", f"{place}; commit {machine['commit']}; `{result['command']}`"]
    state = result["validity"]
    lines += [f"- {'**INVALID** ' if item in state['reasons'] else ''}`{item['code']}` {item['reason']}"
              for item in (*state["reasons"], *state["notes"])]
    return "\n".join(lines) + "\n"


def short_table(result: Result) -> str:
    """Every configuration in a few columns, and where it was measured: for a README. Many dominated ones are folded."""
    wish, names = result["wish"], short_names(result["configurations"])
    head = ["", configuration(result), "Accuracy", "Capacity, requests/s",
            _tail(wish), cost_title(wish), "Why not"]
    shown, folded = list[str](), list[str]()
    for entry in result["configurations"]:
        accuracy, capacity, at_rate, _, cost, reasons = cells(entry, wish)
        row = "| " + " | ".join([MARK[entry["verdict"]], names[entry["id"]], accuracy.split(" [")[0],
                                 capacity.removesuffix("/s"), at_rate, cost, reasons]) + " |"
        (folded if entry["dominated"] and not entry["capacity"] else shown).append(row)
    if len(folded) < MANY:
        shown, folded = [*shown, *folded], []
    lines = [*_table(head, shown)]
    if folded:
        summary = f"{len(folded)} that another one dominates or does not differ from"
        lines += ["", f"<details><summary>{summary}</summary>", "", *_table(head, folded), "", "</details>"]
    machine = result["machine"]
    place = "".join(f"{sentence} " for sentence in refinement(result)) + (
             f"Measured on {result['created'][:10]} on {cpu_and_cores(machine)} "
             f"({result['cores']}), commit {machine['commit']}: `{result['command']}`. {rule(result['wish'])}")
    return "\n".join([*lines, "", place])


def refinement(result: Result) -> list[str]:
    """One sentence about who got every axis, where somebody did."""
    names = short_names(result["configurations"])
    best = [names[each] for each in result.get("refined", [])]
    return [f"Every axis for {in_a_row(best)}: the best after the first pass."] if best else []


def _tail(wish: dict[str, Any]) -> str:
    return f"{wish['slo'].split('=')[0].strip()} at {wish['rate']:g}/s"


def configuration(result: Result) -> str:
    """Over short names stands what they leave out."""
    alike = in_common(result["configurations"])
    return f"Configuration (all {alike})" if alike else "Configuration"


def _table(head: list[str], rows: list[str]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---|---|---:|---:|---:|---:|---|", *rows]


def show(result: Result, console: Console) -> None:
    """The decision on a terminal."""
    decision, wish, names = result["decision"], result["wish"], short_names(result["configurations"])
    style = "bold green" if decision["recommended"] else "bold yellow"
    console.print(f"\n[{style}]{_prefix(result)}{decision['sentence']}[/]", soft_wrap=True)
    if decision["command"]:
        console.print(f"\n  {decision['command']}\n", soft_wrap=True)
    for reason in decision["because"]:
        console.print(f"[dim]why:[/] {reason}", soft_wrap=True)
    for caveat in decision["caveats"]:
        console.print(f"[yellow]but:[/] {caveat}", soft_wrap=True)
    for trade in trades(result["configurations"], wish):
        console.print(f"[cyan]or:[/] {trade}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column(configuration(result).replace(" (", "\n[dim]").replace(")", "[/]"), style="bold")
    for title in ("Accuracy\n[dim]%[/]", "Capacity\n[dim]req/s[/]", f"At {wish['rate']:g}/s\n[dim]ms[/]"):
        table.add_column(title, justify="right")
    table.add_column("Why not", overflow="fold")
    for entry in result["configurations"]:
        accuracy, capacity, at_rate, *_, reasons = cells(entry, wish)
        colour = {"recommended": "green", "rejected": "red"}.get(entry["verdict"], "")
        mark = f"[{colour}]{entry['verdict']}[/]" if colour else entry["verdict"]
        table.add_row(mark, names[entry["id"]], accuracy.split(" ")[0], capacity.removesuffix("/s"),
                      at_rate.removesuffix(" ms"), reasons)
    console.print(table)
    state = result["validity"]
    console.print("\n[green]valid[/]" if state["valid"] else "\n[bold red]INVALID[/]")
    for colour, items in (("red", state["reasons"]), ("yellow", state["notes"])):
        for item in items:
            console.print(f"  [{colour}]{item['code']}[/] {item['reason']}", soft_wrap=True)


def cells(entry: Entry, wish: dict[str, Any]) -> list[str]:
    """Accuracy, capacity, the tail at the expected rate, headroom, cost, reasons."""
    accuracy = known_accuracy(entry)
    at_rate, headroom = entry["at_rate"], entry["headroom"]
    return [
        percent(accuracy) if accuracy else MISSING,
        shown_bracket(entry["capacity"]) if entry["capacity"] else MISSING,
        f"{milliseconds(at_rate['percentile_us'])} ms" if at_rate else MISSING,
        f"{headroom[0]:.2f} ×" if headroom else MISSING,
        shown_cost(entry, wish),
        "; ".join(entry["reasons"]),
    ]


def shown_cost(entry: Entry, wish: dict[str, Any]) -> str:
    """Joules where those are to be few, money where a price is known, else core-seconds or cores."""
    cost = entry["cost"]
    if cost is None:
        return MISSING
    if wish["objective"] == "energy":
        return f"{cost['joules']:,.0f}" if cost["joules"] is not None else MISSING
    if wish["price_per_hour"] is not None:
        return f"{cost['money']:.3g}" if cost["money"] is not None else MISSING
    return f"{cost['core_seconds']:,.0f}" if wish["objective"] == "efficiency" else f"{cost['cores']}"


def cost_title(wish: dict[str, Any]) -> str:
    """What stands over the costs."""
    if wish["objective"] == "energy":
        return "Joules per million"
    busy = wish["objective"] == "efficiency"
    if wish["price_per_hour"] is None:
        return "Core-seconds per million" if busy else "Cores"
    when = "of busy cores" if busy else f"at {wish['rate']:g}/s"
    return f"Cost per million {when} ({wish['price_per_hour']:g} per core-hour)"


def _prefix(result: Result) -> str:
    return ("INVALID: " if not result["validity"]["valid"] else "") + (
        "Screening only: " if result["wish"]["screening"] else "")
