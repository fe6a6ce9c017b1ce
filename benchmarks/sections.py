"""The parts of the report, from the answer down to the evidence. Each takes a result and gives HTML, or None."""

from __future__ import annotations

from typing import Any

from benchmarks import figures
from benchmarks.markup import Markup, el, join, table
from benchmarks.metrics import BY_KEY, METRICS, Entry, Metric, headline
from benchmarks.numbers import MISSING, figure, listed, milliseconds, number, short_time
from benchmarks.tables import MARKED, operating_point
from benchmarks.verdict import QUESTIONS, lead

Result = dict[str, Any]
# Where a request's time goes, in its order: server stages, then what the server did not account for, then the rest.
STAGES = (("parse", "#56B4E9"), ("decode", "#0072B2"), ("queue", "#E69F00"), ("infer", "#D55E00"),
          ("encode", "#CC79A7"), ("server, other", "#9C8ADE"), ("HTTP and client", "#9AA4B2"))


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
                 el("p", f"At {operating_point(result)}. Up and to the left is better. Bars are 95 % intervals; where "
                         "they overlap, the order may be chance.", class_="soft"),
                 figures.accuracy_against_p99(result["models"])])


def comparison(result: Result) -> Markup:
    """Everything side by side."""
    entries = result["models"]
    best = {key: found.names for key in MARKED if (found := lead(BY_KEY[key], entries))}
    head = ["Model", *(join([metric.label, el("br"), metric.unit]) for metric in METRICS)]
    rows = [[_name(i, entry), *(_cell(metric, entry, best) for metric in METRICS)] for i, entry in enumerate(entries)]
    return join([el("h2", "Side by side"),
                 el("p", f"p50, p90 and p99 are response times at {operating_point(result)}; unloaded is one request "
                         "at a time; throughput is what connections that never pause get. Green leads or ties.",
                    class_="soft"),
                 table(head, rows)])


def latencies(result: Result) -> Markup:
    """Every load of every model, on both clocks."""
    head = ["Model", "Load", "Answered", "Failed", "Rate/s", *(_clock("service", q) for q in ("p50", "p90", "p99")),
            *(_clock("response", q) for q in ("p50", "p90", "p99")), _clock("send lag", "p99"), ""]
    rows = [[_name(i, entry), load["name"], f"{load['ok']:,}", load["failed"] + load["timeouts"] + load["dropped"],
             f"{load['rate_achieved']:.0f}", *_percentiles(load["service_us"]), *_percentiles(load["response_us"]),
             milliseconds((load["send_lag_us"] or {}).get("p99")),
             "valid" if load["validity"]["valid"] else el("span", "INVALID", class_="invalid")]
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


def stages(result: Result) -> Markup | None:
    """Where the time goes, by the server's own account."""
    parts = [(entry, _parts(load)) for entry in result["models"] if (load := headline(entry)) and load["stages_ms"]]
    if not parts:
        return None
    longest = max(sum(part.values()) for _, part in parts)
    bars = []
    for entry, part in parts:
        pieces = [el("i", style=f"width:{100 * part.get(name, 0) / longest:.2f}%;background:{colour}",
                     title=f"{name}: {part.get(name, 0):.3f} ms") for name, colour in STAGES]
        bars.append(el("div", el("span", entry["name"]), el("div", *pieces, class_="bar"),
                       el("span", f"{sum(part.values()):.2f} ms", class_="total"), class_="row"))
    legend = [el("li", el("span", class_="dot", style=f"background:{colour}"), name) for name, colour in STAGES]
    rows = [[entry["name"], *(f"{part[name]:.3f}" if name in part else MISSING for name, _ in STAGES)]
            for entry, part in parts]
    return join([el("h2", "Where the time goes"),
                 el("p", f"Mean service time at {operating_point(result)}, by the stages in the server's Server-Timing "
                         "header. Means, because only means add up.", class_="soft"),
                 el("ul", *legend, class_="legend"), el("div", *bars),
                 table(["ms", *(name for name, _ in STAGES)], rows)])


def micro(result: Result) -> Markup | None:
    """The parts alone, each against the least anybody could do with the same bytes."""
    if not result["micro"]:
        return None
    rows = [[entry["name"].replace(" x ", " × "), short_time(entry["p50_us"] / 1e6), short_time(entry["p90_us"] / 1e6),
             short_time(entry["p99_us"] / 1e6), f"{entry['rounds']:,}",
             f"{entry['ratio']:g} ×" if entry["ratio"] else MISSING,
             (entry["control"] or "").removeprefix("control ").replace(" x ", " × ")]
            for entry in sorted(result["micro"], key=lambda entry: entry["group"] == "control")]
    return join([el("h2", "Parts alone"),
                 el("p", "Without HTTP. The ratio is the median over that of a control on the same bytes, and what "
                         "survives a change of machine.", class_="soft"),
                 table(["Part", "p50", "p90", "p99", "Rounds", "Ratio", "Control"], rows)])


def validity(result: Result) -> Markup:
    """What the tool found out about its own measurement."""
    state = result["validity"]
    found = [*((reason, "invalid") for reason in state["reasons"]), *((note, None) for note in state["notes"])]
    return join([el("h2", "Validity"),
                 el("p", "Every load was within its limits: generator CPU, send lag, achieved rate, drops, failures."
                    if state["valid"] else "This result is INVALID. Its figures must not be used."),
                 el("ul", *(el("li", el("code", item["code"]), " ", item["reason"], class_=kind)
                            for item, kind in found)) if found else None,
                 el("p", "What to do: ", "; ".join(state["advice"]), ".") if state["advice"] else None])


def machine(result: Result) -> Markup:
    """Where."""
    facts, settings = result["machine"], result["settings"]
    cpus = [load["generator_cpu"] for entry in result["models"] for load in entry["loads"] if load["generator_cpu"]]
    rows = {
        "CPU": f"{facts['cpu']}, {facts['usable_cores']} usable of {facts['cores']} cores"
               + (", virtual" if facts["virtual"] else ""),
        "Pinning": result["cores"],
        "Memory": f"{facts['ram_bytes'] / 2**30:.1f} GiB",
        "System": f"{facts['system']}, {facts['python']}",
        "Governor, quota": f"{facts['governor'] or 'unknown'}, {facts['cpu_quota'] or 'none'}",
        "Load at start": ", ".join(map(str, facts["load_average"])),
        "Generator CPU": f"at most {max(cpus):.0%} of a core" if cpus else "unknown",
        "Runtime": f"{settings['runtime']}, {settings['threads']} thread(s)",
        "Libraries": ", ".join(f"{name} {version}" for name, version in facts["libraries"].items()),
        "Commit": facts["commit"] or "unknown",
        "Images": "; ".join(f"{data['bodies']:,} of {name} as {data['body']} ({data['licence']})"
                            for name, data in result["datasets"].items()),
    }
    return join([el("h2", "Machine"), el("dl", *(part for key, value in rows.items()
                                                 for part in (el("dt", key), el("dd", value))))])


def reproduce(result: Result) -> Markup:
    """The same again."""
    return join([el("h2", "Reproduce"), el("pre", f"git checkout {result['machine']['commit']}\n{result['command']}"),
                 el("p", f"Seeds {listed([str(seed) for seed in result['seeds']])}: arrival times and order of images."
                    if result["seeds"] else None, class_="soft")])


def _banner(state: dict[str, Any]) -> Markup | None:
    if not state["valid"]:
        reasons = [el("li", item["reason"]) for item in state["reasons"][:5]]
        return el("div", el("b", "INVALID: do not use these figures."), el("ul", *reasons), class_="banner")
    screening = next((item for item in state["notes"] if item["code"] == "screening"), None)
    return el("div", el("b", "Screening: "), screening["reason"], class_="banner screening") if screening else None


def _lead(metric: Metric, phrase: str, entries: list[Entry]) -> Markup:
    found = lead(metric, entries)
    if found is None:
        return el("div", el("h3", phrase.capitalize()), el("strong", "no valid figure"), class_="answer")
    tie = len(found.names) > 1
    return el("div", el("h3", phrase.capitalize() + (": a tie" if tie else "")),
              el("strong", listed(found.names), class_="tie" if tie else None),
              el("div", figure(metric, found.best), class_="figure soft"), class_="answer")


def _name(position: int, entry: Entry) -> Markup:
    return join([el("span", class_="dot", style=f"background:{figures.colour(position)}"), entry["name"]])


def _cell(metric: Metric, entry: Entry, best: dict[str, tuple[str, ...]]) -> Markup:
    at, interval = metric.measure(entry)
    if at is None:
        return Markup(MISSING)
    style = "best" if entry["name"] in best.get(metric.key, ()) else None if metric.believable(entry) else "invalid"
    bounds = el("small", f"{number(metric, interval[0])} – {number(metric, interval[1])}") if interval else None
    return el("span", el("span", number(metric, at), class_="value"), bounds, class_=style)


def _clock(clock: str, percentile: str) -> Markup:
    return join([clock, el("br"), percentile])


def _percentiles(latency: dict[str, Any]) -> list[str]:
    return [milliseconds(latency.get(name)) for name in ("p50", "p90", "p99")]


def _agreement(entry: Entry) -> Markup:
    card = entry["card_accuracy"]
    if not card:
        return Markup("no score on the card")
    low, high = entry["accuracy"]["interval"]
    if low <= card["top1"] <= high:
        return el("span", "agrees with the card", class_="best")
    return el("span", "differs from the card", class_="invalid")


def _parts(load: dict[str, Any]) -> dict[str, float]:
    said = load["stages_ms"]
    named = {name: said[name] for name, _ in STAGES if name in said}
    total = said.get("total", sum(named.values()))
    return named | {"server, other": max(0.0, total - sum(named.values())),
                    "HTTP and client": max(0.0, load["service_us"]["mean"] / 1000 - total)}
