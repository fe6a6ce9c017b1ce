"""The first parts of the report: the answer, and the figures it rests on. Each takes a result and gives HTML."""

from __future__ import annotations

from typing import Any

from benchmarks.report import figures
from benchmarks.report.markup import Markup, el, join, table
from benchmarks.report.metrics import BY_KEY, METRICS, Entry, Metric, headline
from benchmarks.report.numbers import MISSING, figure, listed, milliseconds, number
from benchmarks.report.tables import leaders, operating_point
from benchmarks.report.verdict import OWN_RATES, QUESTIONS, comparable, lead
from benchmarks.stats.intervals import overlap

Result = dict[str, Any]


def answer(result: Result) -> Markup:
    """What was compared and who won, before anything else."""
    entries = result["models"]
    opening, *_ = result["verdict"]
    return join([_banner(result["validity"]), el("p", opening, class_="lead"),
                 el("div", *(_lead(BY_KEY[key], phrase, entries) for key, phrase in QUESTIONS.items()),
                    class_="answers")])


def trade_off(result: Result) -> Markup | None:
    """Accuracy against the tail."""
    if not any(headline(entry) for entry in result["models"]):
        return None
    return join([el("h2", "Accuracy against p99 response time"),
                 el("p", f"At {operating_point(result)}. {_better(result['models'])} Bars are 95 % intervals; where "
                         "they overlap, the order may be chance.", class_="soft"),
                 figures.accuracy_against_p99(result["models"])])


def comparison(result: Result) -> Markup:
    """Everything side by side."""
    entries = result["models"]
    best = leaders(entries)
    head = ["Model", *(join([metric.label, el("br"), metric.unit]) for metric in METRICS)]
    rows = [[_name(i, entry), *(_cell(metric, entry, best) for metric in METRICS)] for i, entry in enumerate(entries)]
    return join([el("h2", "Side by side"),
                 el("p", f"p50, p90 and p99 are response times at {operating_point(result)}; unloaded is one request "
                         "at a time; throughput is what connections that never pause get. Green leads or ties."
                         f"{_unmarked(entries)}", class_="soft"),
                 table(head, rows)])


def latencies(result: Result) -> Markup:
    """Every load of every model, on both clocks."""
    head = ["Model", "Load", "Answered", "Failed", "Rate/s", *(_clock("service", q) for q in ("p50", "p90", "p99")),
            *(_clock("response", q) for q in ("p50", "p90", "p99")), _clock("send lag", "p99")]
    rows = [[_name(i, entry), join([load["name"], _invalid(load)]), f"{load['ok']:,}",
             load["failed"] + load["timeouts"] + load["dropped"], f"{load['rate_achieved']:.0f}",
             *_percentiles(load["service_us"]), *_percentiles(load["response_us"]),
             milliseconds((load["send_lag_us"] or {}).get("p99"))]
            for i, entry in enumerate(result["models"]) for load in entry["loads"]]
    return join([el("h2", "Latency by load, ms"),
                 el("p", "Service time runs from the moment a request was really sent; response time from the moment "
                         "it should have been sent, which is what a user waits. They part when a server stalls. "
                         "Successful requests only, after the warm-up; failed ones, timeouts and drops are counted "
                         "apart.", class_="soft"),
                 table(head, rows, text_columns=2),
                 el("p", f"Response time by percentile at {operating_point(result)}:", class_="soft"),
                 figures.response_by_percentile(result["models"])])


def accuracies(result: Result) -> Markup:
    """Whether the served artifact is as good under load as its card says."""
    rows = []
    for i, entry in enumerate(result["models"]):
        card, load = BY_KEY["card_accuracy"], BY_KEY["accuracy"]
        rows.append([_name(i, entry), figure(load, load.measure(entry)), f"{entry['accuracy']['n']:,}",
                     figure(card, card.measure(entry)), _agreement(entry)])
    return join([el("h2", "Accuracy under load"),
                 el("p", "Every request carried a labelled test image, and every answer was scored. Accuracy must not "
                         "depend on load.", class_="soft"),
                 table(["Model", "Under load", "Answers", "Card", ""], rows)])


def _banner(state: dict[str, Any]) -> Markup | None:
    if not state["valid"]:
        reasons = [el("li", item["reason"]) for item in state["reasons"][:5]]
        return el("div", el("b", "INVALID: figures that are struck out must not be used."), el("ul", *reasons),
                  class_="banner")
    screening = next((item for item in state["notes"] if item["code"] == "screening"), None)
    return el("div", el("b", "Screening: "), screening["reason"], class_="banner screening") if screening else None


def _lead(metric: Metric, phrase: str, entries: list[Entry]) -> Markup:
    if not comparable(metric, entries):
        return el("div", el("h3", phrase.capitalize()), el("strong", "not ranked"),
                  el("div", OWN_RATES, class_="figure soft"), class_="answer")
    found = lead(metric, entries)
    if found is None:
        return el("div", el("h3", phrase.capitalize()), el("strong", "no valid figure"), class_="answer")
    tie = len(found.names) > 1
    return el("div", el("h3", phrase.capitalize() + (": a tie" if tie else "")),
              el("strong", listed(found.names), class_="tie" if tie else None),
              el("div", figure(metric, found.best), class_="figure soft"),
              el("div", found.caveat, class_="soft invalid") if found.caveat else None, class_="answer")


def _better(entries: list[Entry]) -> str:
    if comparable(BY_KEY["response_p99"], entries):
        return "Up and to the left is better."
    return f"Up is better; {OWN_RATES}, so further left is better only where the rate is no lower."


def _unmarked(entries: list[Entry]) -> str:
    return "" if comparable(BY_KEY["response_p99"], entries) else f" No p99 does: {OWN_RATES}."


def _name(position: int, entry: Entry) -> Markup:
    return join([el("span", class_="dot", style=f"background:{figures.colour(position)}"), entry["name"]])


def _cell(metric: Metric, entry: Entry, best: dict[str, tuple[str, ...]]) -> Markup:
    at, interval = metric.measure(entry)
    if at is None:
        return Markup(MISSING)
    style = "best" if entry["name"] in best.get(metric.key, ()) else None if metric.believable(entry) else "invalid"
    bounds = el("small", f"{number(metric, interval[0])} – {number(metric, interval[1])}") if interval else None
    return el("span", el("span", number(metric, at), class_="value"), bounds, class_=style)


def _invalid(load: Entry) -> Markup | None:
    """Beside the load's name, where no narrow window hides it."""
    return None if load["validity"]["valid"] else join([el("br"), el("span", "INVALID", class_="invalid")])


def _clock(clock: str, percentile: str) -> Markup:
    return join([clock, el("br"), percentile])


def _percentiles(latency: dict[str, Any]) -> list[str]:
    return [milliseconds(latency.get(name)) for name in ("p50", "p90", "p99")]


def _agreement(entry: Entry) -> Markup:
    card = entry["card_accuracy"]
    if not card:
        return Markup("no score on the card")
    if not entry["accuracy"]["n"]:
        return el("span", "no answer", class_="invalid")
    if overlap(tuple(entry["accuracy"]["interval"]), tuple(card["interval"])):  # as a decision judges it
        return el("span", "agrees with the card", class_="best")
    return el("span", "differs from the card", class_="invalid")
