"""The pictures of a decision for documents: accuracy against capacity, and the tail against the rate, as SVG."""

from __future__ import annotations

from typing import Any

from benchmarks.capacity.slo import Slo
from benchmarks.decision.figures import accuracy_of, frontier, middle_of, typical
from benchmarks.decision.merits import bracket_of, known_accuracy
from benchmarks.decision.names import short_names
from benchmarks.report.figures import colour
from benchmarks.report.svg import Axis, Chart

Result = dict[str, Any]


def accuracy_capacity(result: Result) -> str | None:
    """Up and to the right is better; None where no capacity is known."""
    shown = [(position, entry) for position, entry in enumerate(result["configurations"])
             if bracket_of(entry) and known_accuracy(entry)]
    if not shown:
        return None
    wish, names = result["wish"], short_names(result["configurations"])
    floor = 100 * wish["min_accuracy"]
    bounds = [bound for _, entry in shown for bound in accuracy_of(entry)] + [floor]
    room = max(0.5, 0.12 * (max(bounds) - min(bounds)))
    highest = max((bracket_of(entry) or (0, 0))[1] for _, entry in shown)
    chart = Chart(Axis(0, 1.1 * max(highest, wish["rate"]), "capacity, requests/s (more is better)"),
                  Axis(min(bounds) - room, min(100.0, max(bounds) + room), "accuracy, % (more is better)"),
                  f"Accuracy against capacity with {wish['objective_text']}")
    chart.limit(f"{floor:g} % asked for", y=floor)
    chart.limit(f"{wish['rate']:g}/s expected", x=wish["rate"])
    chart.line([(middle_of(entry), accuracy_of(entry)[0]) for entry in frontier([entry for _, entry in shown])],
               class_="front", stairs=True)
    for position, entry in shown:
        at, low, high = accuracy_of(entry)
        chart.bars(bracket_of(entry) or (0, 0), (low, high), (middle_of(entry), at), colour(position))
        chart.mark(middle_of(entry), at, colour=colour(position), filled=not entry["reasons"])
        chart.text(middle_of(entry), at, names[entry["id"]], below=bool(position % 2))
    return chart.svg()


def tail_rate(result: Result) -> str | None:
    """Where each one crosses the objective; None without a single load."""
    curves = [(position, entry) for position, entry in enumerate(result["configurations"]) if entry["curve"]]
    if not curves:
        return None
    wish, names = result["wish"], short_names(result["configurations"])
    limit = Slo.parse(wish["slo"]).limit_us / 1000
    times = [point["percentile_us"] / 1000 for _, entry in curves for point in entry["curve"]] + [limit]
    fastest = max(point["rate"] for _, entry in curves for point in entry["curve"])
    percentile = wish["slo"].split("=")[0].strip()
    chart = Chart(Axis(0, 1.05 * max(fastest, wish["rate"]), "offered rate, requests/s"),
                  Axis(min(times) / 1.4, max(times) * 1.4, f"{percentile} response time, ms", logarithmic=True),
                  f"{percentile} response time against the offered rate")
    chart.limit(wish["objective_text"], y=limit)
    chart.limit(f"{wish['rate']:g}/s expected", x=wish["rate"])
    for position, entry in curves:
        line = typical(entry["curve"])
        chart.line(line, colour=colour(position))
        for point in entry["curve"]:
            chart.mark(point["rate"], point["percentile_us"] / 1000, colour=colour(position), filled=point["passed"])
        chart.text(*line[-1], names[entry["id"]], below=bool(position % 2))
    return chart.svg()


PICTURES = {"accuracy-capacity": accuracy_capacity, "tail-rate": tail_rate}
