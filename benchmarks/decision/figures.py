"""The figures of a decision: accuracy against capacity, and the tail against the rate."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import plotly.graph_objects as go

from benchmarks.capacity.slo import Slo
from benchmarks.decision.merits import accuracy_interval, bracket_of, known_accuracy, top1
from benchmarks.decision.names import short_names
from benchmarks.report.figures import LOGARITHMIC, SYMBOLS, colour, drawn
from benchmarks.report.markup import Markup

Result = dict[str, Any]
Entry = dict[str, Any]
TOO_SLOW = "rgba(192,54,44,.75)"


def accuracy_against_capacity(result: Result) -> Markup | None:
    """Up and to the right is better. Boxes of the wish: right of the dashed line and above it is good enough."""
    shown = [(position, entry) for position, entry in enumerate(result["configurations"])
             if bracket_of(entry) and known_accuracy(entry)]
    if not shown:
        return None
    wish, figure, names = result["wish"], go.Figure(), short_names(result["configurations"])
    best = frontier([entry for _, entry in shown])
    figure.add_scatter(x=[middle_of(entry) for entry in best], y=[accuracy_of(entry)[0] for entry in best],
                       mode="lines", line={"color": "#8a94a3", "width": 1.5, "shape": "vh"}, name="best trade-offs",
                       hoverinfo="skip", showlegend=False)
    rightmost = max(middle_of(entry) for _, entry in shown)
    for position, entry in shown:
        low, high = bracket_of(entry) or (0.0, 0.0)
        at, below, above = accuracy_of(entry)
        figure.add_scatter(
            x=[middle_of(entry)], y=[at], mode="markers+text", text=[names[entry["id"]]], showlegend=False,
            textposition=f"{'top' if position % 2 == 0 else 'bottom'} "
                         f"{'left' if middle_of(entry) > 0.6 * rightmost else 'right'}", cliponaxis=False,
            error_x={"type": "data", "array": [high - middle_of(entry)], "arrayminus": [middle_of(entry) - low],
                     "thickness": 1.5, "width": 5},
            error_y={"type": "data", "array": [above - at], "arrayminus": [at - below], "thickness": 1.5, "width": 5},
            marker={"size": 13, "color": colour(position), "symbol": SYMBOLS[position % len(SYMBOLS)]
                    + ("-open" if entry["reasons"] else "")},
            hovertemplate=f"<b>{entry['label']}</b><br>{low:,.0f} to {high:,.0f}/s<br>accuracy {at:.2f} %<br>"
                          f"{entry['verdict']}<extra></extra>",
        )
    figure.add_vline(x=wish["rate"], line={"dash": "dash", "color": TOO_SLOW, "width": 1.5})
    figure.add_hline(y=100 * wish["min_accuracy"], line={"dash": "dash", "color": TOO_SLOW, "width": 1.5})
    figure.update_xaxes(title="capacity, requests/s (more is better)", rangemode="tozero")
    figure.update_yaxes(title="accuracy, % (more is better)")
    return drawn(figure, "accuracy-capacity", 440)


def tail_against_rate(result: Result) -> Markup | None:
    """How the tail grows with the rate, and where it crosses the objective."""
    wish, figure, names = result["wish"], go.Figure(), short_names(result["configurations"])
    curves = [(position, entry) for position, entry in enumerate(result["configurations"]) if entry["curve"]]
    if not curves:
        return None
    limit = Slo.parse(wish["slo"]).limit_us / 1000
    for position, entry in curves:
        points = entry["curve"]
        x, y = [point["rate"] for point in points], [point["percentile_us"] / 1000 for point in points]
        bounds = [point["interval_us"] or (point["percentile_us"],) * 2 for point in points]
        line = typical(points)
        figure.add_scatter(x=[at for at, _ in line], y=[ms for _, ms in line], mode="lines", hoverinfo="skip",
                           line={"color": colour(position), "width": 2}, showlegend=False, legendgroup=entry["id"])
        figure.add_scatter(
            x=x, y=y, mode="markers", name=names[entry["id"]], legendgroup=entry["id"], cliponaxis=False,
            error_y={"type": "data", "array": [high / 1000 - at for (_, high), at in zip(bounds, y, strict=True)],
                     "arrayminus": [at - low / 1000 for (low, _), at in zip(bounds, y, strict=True)],
                     "thickness": 1, "width": 3},
            marker={"size": 8, "color": colour(position), "symbol": [
                "circle" if point["passed"] else "circle-open" for point in points]},
            customdata=[[point["requests"], point["over"],
                         "kept" if point["passed"] else "stopped early" if point["stopped_early"] else "missed"]
                        for point in points],
            hovertemplate=f"<b>{entry['label']}</b><br>%{{x:,.0f}}/s: %{{y:.2f}} ms<br>%{{customdata[0]}} requests, "
                          "%{customdata[1]} over: %{customdata[2]}<extra></extra>",
        )
    figure.add_hline(y=limit, line={"dash": "dash", "color": TOO_SLOW, "width": 1.5})
    # On a logarithmic axis a shape is placed by its value and an annotation by its exponent.
    figure.add_annotation(x=1, xref="paper", xanchor="right", y=math.log10(limit), yanchor="bottom",
                          text=wish["objective_text"], showarrow=False)
    figure.add_vline(x=wish["rate"], line={"dash": "dot", "color": TOO_SLOW, "width": 1.5})
    percentile = wish["slo"].split("=")[0].strip()
    figure.update_xaxes(title="offered rate, requests/s", rangemode="tozero")
    figure.update_yaxes(title=f"{percentile} response time, ms", **LOGARITHMIC)
    return drawn(figure, "tail-rate", 420)


def typical(points: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """One point per rate, the median of its loads in milliseconds: what a line goes through."""
    by_rate: dict[float, list[float]] = {}
    for point in points:
        by_rate.setdefault(point["rate"], []).append(point["percentile_us"] / 1000)
    return [(rate, median(times)) for rate, times in sorted(by_rate.items())]


def frontier(entries: list[Entry]) -> list[Entry]:
    """Those that no other one beats in both, by capacity."""
    best, kept = -1.0, []
    for entry in sorted(entries, key=lambda entry: (-middle_of(entry), -accuracy_of(entry)[0])):
        if accuracy_of(entry)[0] > best:
            best = accuracy_of(entry)[0]
            kept.append(entry)
    return kept[::-1]


def middle_of(entry: Entry) -> float:
    """Of the bracket, requests per second."""
    low, high = bracket_of(entry) or (0.0, 0.0)
    return (low + high) / 2


def accuracy_of(entry: Entry) -> tuple[float, float, float]:
    """Percent, with its 95 % interval."""
    low, high = accuracy_interval(entry)
    return 100 * top1(entry), 100 * low, 100 * high
