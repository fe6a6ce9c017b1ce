"""A measured capacity for a terminal and as Markdown: the sentence, the probes, and what nobody knows."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.capacity.slo import Slo
from benchmarks.decision.merits import percent
from benchmarks.decision.words import rule
from benchmarks.elsewhere.verdict import BORNE, NOT_BORNE
from benchmarks.machine.fingerprint import cpu_and_cores
from benchmarks.report.numbers import milliseconds

Result = dict[str, Any]
STYLES = {BORNE: "bold green", NOT_BORNE: "bold red"}


def headline(result: Result) -> str:
    """The verdict, marked where it must not be used, or not for a decision."""
    marks = ("" if result["validity"]["valid"] else "INVALID: ") + (
        "Screening only: " if result["question"]["screening"] else "")
    return f"{marks}{result['verdict']['sentence']}"


def percentiles(result: Result) -> list[tuple[str, str]]:
    """What is told of every probe, as (title, key): p50, p90 and the objective's own percentile."""
    own = Slo.parse(result["question"]["slo"]).percentile
    return [("p50", "p50_us"), ("p90", "p90_us"), (f"p{own:g}", "percentile_us")] if own not in (50, 90) else \
        [("p50", "p50_us"), ("p90", "p90_us")]


def outcome(point: dict[str, Any]) -> str:
    """Whether a probe kept the objective, in a word or two."""
    if point.get("disturbed"):
        return "machine disturbed"
    if point["blame"]:
        return "generator late"
    return "kept" if point["passed"] else "missed, stopped early" if point["stopped_early"] else "missed"


def facts(result: Result) -> list[str]:
    """Sentences beside the verdict."""
    told, at_rate, single = [], result["at_rate"], result["single"]
    if at_rate and at_rate["percentile_us"] is not None:
        own = Slo.parse(result["question"]["slo"]).percentile
        told.append(f"at {at_rate['rate']:g}/s p{own:g} is {milliseconds(at_rate['percentile_us'])} ms, and "
                    f"{at_rate['over']} of {at_rate['requests']:,} requests missed the objective")
    if single:
        told.append(f"one request at a time takes {milliseconds(single['p50_us'])} ms at the median, "
                    f"{milliseconds(single['p99_us'])} ms at p99")
    if result["accuracy"]:
        told.append(f"accuracy under load {percent(result['accuracy'])}, of {result['accuracy']['n']:,} answers about "
                    f"{result['accuracy']['images']:,} images")
    told.append(result["caching"]["reason"] if result["caching"] else "no sign of a cache")
    return told


def markdown(result: Result) -> str:
    """The whole result for a pull request, a job summary or a page."""
    titles = percentiles(result)
    lines = [f"### {headline(result)}", "", *(f"- {sentence}" for sentence in facts(result)), ""]
    head = ["Offered, requests/s", "Requests", *(f"{title}, ms" for title, _ in titles), "Missed", "At most", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---:|" * (len(head) - 1) + "---|"]
    lines += ["| " + " | ".join([f"{point['rate']:,.4g}", f"{point['requests']:,}",
                                 *(milliseconds(point[key]) for _, key in titles), f"{point['over']:,}",
                                 f"{point['allowed']:,}", outcome(point)]) + " |" for point in result["curve"]]
    lines += ["", "What cannot be known from outside:", "", *(f"- {sentence}" for sentence in result["unknown"])]
    machine, state = result["machine"], result["validity"]
    lines += ["", rule(result["question"]), "",
              f"Sent from {cpu_and_cores(machine)}; commit {machine['commit']}; `{result['command']}`"]
    lines += [f"- {'**INVALID** ' if item in state['reasons'] else ''}`{item['code']}` {item['reason']}"
              for item in (*state["reasons"], *state["notes"])]
    return "\n".join(lines) + "\n"


def show(result: Result, console: Console) -> None:
    """The result on a terminal."""
    style = STYLES.get(result["verdict"]["code"], "bold yellow")
    console.print(f"\n[{style}]{escape(headline(result))}[/]", soft_wrap=True)
    for sentence in facts(result):
        console.print(f"[dim]and:[/] {escape(sentence)}", soft_wrap=True)
    titles = percentiles(result)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Offered\n[dim]req/s[/]", "Requests", *(f"{title}\n[dim]ms[/]" for title, _ in titles), "Missed",
                  "At most"):
        table.add_column(title, justify="right")
    table.add_column("")
    for point in result["curve"]:
        table.add_row(f"{point['rate']:,.4g}", f"{point['requests']:,}",
                      *(milliseconds(point[key]) for _, key in titles), f"{point['over']:,}", f"{point['allowed']:,}",
                      outcome(point))
    console.print(table)
    console.print("[dim]not known:[/]")
    for sentence in result["unknown"]:
        console.print(f"  {escape(sentence)}", soft_wrap=True)
    state = result["validity"]
    console.print("\n[green]valid[/]" if state["valid"] else "\n[bold red]INVALID[/]")
    for colour, items in (("red", state["reasons"]), ("yellow", state["notes"])):
        for item in items:
            console.print(f"  [{colour}]{item['code']}[/] {escape(item['reason'])}", soft_wrap=True)
