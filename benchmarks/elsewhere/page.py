"""The page of a measured capacity: the answer, its pictures, what nobody knows, then everything needed to doubt it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.capacity.slo import arriving
from benchmarks.decision.merits import percent, shown_bracket
from benchmarks.decision.words import rule
from benchmarks.elsewhere import figures
from benchmarks.elsewhere.words import facts, outcome, percentiles
from benchmarks.report import evidence
from benchmarks.report.markup import Markup, el, join, table
from benchmarks.report.numbers import milliseconds
from benchmarks.report.page import document

Result = dict[str, Any]


def write_page(path: Path, result: Result) -> Path:
    """Write the page for a result to `path`."""
    path.write_text(page(result), encoding="utf-8")
    return path


def page(result: Result) -> str:
    """The whole document."""
    return document(
        title=f"{result['model']} with {result['question']['objective_text']}, {result['created'][:10]}",
        heading=f"capacity of {result['created'][:16].replace('T', ' ')} UTC",
        sections=[section for build in SECTIONS if (section := build(result)) is not None],
        run_id=result["run_id"], data=result,
    )


def answer(result: Result) -> Markup:
    """The sentence, and the figures in it."""
    return join([_banner(result), el("p", result["verdict"]["sentence"], class_="lead"), _cards(result),
                 el("ul", *(el("li", sentence, ".") for sentence in facts(result)))])


def curves(result: Result) -> Markup | None:
    """Latency and misses by the offered rate."""
    latency, misses = figures.latency_by_rate(result), figures.misses_by_rate(result)
    return latency and join([
        el("h2", "Response time and misses by the offered rate"),
        el("p", f"Each mark is one probe with {arriving(result['question'])}, latency counted from the intended start. "
                "Filled marks kept the objective, open ones missed it; a probe stops as soon as it cannot pass any "
                "more, so the figures of an open mark may be too low. The band lies between the rate that held and "
                "the one that failed; the dashed line is the limit, a dotted one the rate that is expected.",
           class_="soft"),
        latency, misses])


def not_known(result: Result) -> Markup:
    """The limits of looking from outside."""
    return join([el("h2", "What cannot be known from outside"),
                 el("ul", *(el("li", sentence, ".") for sentence in result["unknown"]))])


def probes(result: Result) -> Markup | None:
    """Every probe in figures."""
    titles = percentiles(result)
    rows = [[point["name"], f"{point['rate']:,.4g}", f"{point['requests']:,}",
             *(milliseconds(point[key]) for _, key in titles), f"{point['late']:,}", f"{point['failed']:,}",
             f"{point['timeouts']:,}", f"{point['dropped']:,}", f"{point['allowed']:,}", f"{point['goodput']:,.0f}",
             outcome(point)] for point in result["curve"]]
    return (rows and join([
        el("h2", "Every probe"),
        table(["Probe", "Offered, req/s", "Requests", *(f"{title}, ms" for title, _ in titles), "Late", "Failed",
               "Timed out", "Dropped", "May miss", "Right and in time, /s", ""], rows),
        el("p", rule(result["question"]), class_="soft")])) or None


def machine(result: Result) -> Markup:
    """From where the load was sent, and what the generator can do there."""
    found, more = result["calibration"], {"Asked": result["question"]["url"]}
    if found:
        most = f"{found['most_rate']:,.0f}/s at most" if found["most_rate"] else "not even 250/s"
        more["Generator alone"] = (f"{most} on schedule ({found['limited_by']}); against a server that does nothing "
                                   f"p50 {milliseconds(found['floor_p50_us'])} ms, "
                                   f"p99 {milliseconds(found['floor_p99_us'])} ms")
    return evidence.machine_box(result, [result["generator_cpu"]] if result["generator_cpu"] else [], more)


SECTIONS: tuple[Callable[[Result], Markup | None], ...] = (
    answer, curves, not_known, probes, evidence.validity, machine, evidence.reproduce,
)


def _banner(result: Result) -> Markup | None:
    state = result["validity"]
    if not state["valid"]:
        return el("div", el("b", "INVALID: do not decide by this."),
                  el("ul", *(el("li", item["reason"]) for item in state["reasons"][:5])), class_="banner")
    note = next((item for item in state["notes"] if item["code"] == "screening"), None)
    return el("div", el("b", "Screening: "), note["reason"], class_="banner screening") if note else None


def _cards(result: Result) -> Markup | None:
    """Capacity, headroom, accuracy: those that are known."""
    question, capacity, verdict = result["question"], result["capacity"], result["verdict"]
    if capacity is None:
        return None
    shown = [("Capacity", shown_bracket(capacity), question["objective_text"])]
    if question["rate"] is not None:
        borne = {True: "borne", False: "not borne", None: "unknown"}[verdict["borne"]]
        headroom = f"{verdict['headroom']:.2f} ×" if verdict["headroom"] else ""
        shown.append((f"{question['rate']:g}/s expected", borne, f"headroom {headroom}" if headroom else ""))
    if result["accuracy"]:
        value, _, interval = percent(result["accuracy"]).partition(" [")
        shown.append(("Accuracy under load", value, f"95 %: {interval.rstrip(']').replace(', ', ' to ')} %"))
    return el("div", *(el("div", el("h3", title), el("strong", value), el("div", soft, class_="figure soft"),
                          class_="answer") for title, value, soft in shown), class_="answers")
