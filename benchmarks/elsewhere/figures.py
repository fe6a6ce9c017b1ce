"""The pictures of a measured capacity: percentiles and misses by the offered rate. Every probe is a point."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

import plotly.graph_objects as go

from benchmarks.capacity.slo import Slo
from benchmarks.elsewhere.words import outcome, percentiles
from benchmarks.report.figures import LOGARITHMIC, SYMBOLS, colour, drawn
from benchmarks.report.markup import Markup

Result = dict[str, Any]
Point = dict[str, Any]
LIMIT = "rgba(192,54,44,.75)"
BETWEEN = "rgba(192,54,44,.14)"  # the rates between the one that held and the one that failed


def latency_by_rate(result: Result) -> Markup | None:
    """Each percentile against the offered rate, with the limit as a line and the bracket as a band."""
    points = [point for point in result["curve"] if point["percentile_us"] is not None]
    if not points:
        return None
    figure, slo = go.Figure(), Slo.parse(result["question"]["slo"])
    for position, (title, key) in enumerate(percentiles(result)):
        _series(figure, points, [point[key] / 1000 for point in points], title, position, "%{y:.2f} ms")
    _limit(figure, slo.limit_us / 1000, result["question"]["objective_text"])
    _bracket(figure, result)
    figure.update_xaxes(title="offered rate, requests/s", rangemode="tozero")
    figure.update_yaxes(title="response time, ms", **LOGARITHMIC)
    return drawn(figure, "latency-rate", 440)


def misses_by_rate(result: Result) -> Markup | None:
    """The share of requests that were late, failed, timed out or dropped, against what the objective allows."""
    points = [point for point in result["curve"] if point["share_over"] is not None]
    if not points:
        return None
    figure, slo = go.Figure(), Slo.parse(result["question"]["slo"])
    shares = [100 * point["share_over"] for point in points]
    _series(figure, points, shares, "missed", len(SYMBOLS) - 1, "%{y:.3g} %")
    figure.add_hline(y=100 - slo.percentile, line={"dash": "dash", "color": LIMIT, "width": 1.5})
    figure.add_annotation(x=1, xref="paper", xanchor="right", y=100 - slo.percentile, yanchor="bottom",
                          text=f"{100 - slo.percentile:g} % may miss", showarrow=False)
    _bracket(figure, result)
    figure.update_xaxes(title="offered rate, requests/s", rangemode="tozero")
    figure.update_yaxes(title="requests that missed, %", rangemode="tozero")
    return drawn(figure, "misses-rate", 320)


def _series(
    figure: go.Figure, points: list[Point], values: list[float], title: str, position: int, form: str
) -> None:
    """A line through the median of each rate, and a mark for every probe: filled where it kept the objective."""
    by_rate: dict[float, list[float]] = {}
    for point, value in zip(points, values, strict=True):
        by_rate.setdefault(point["rate"], []).append(value)
    line = sorted((rate, median(found)) for rate, found in by_rate.items())
    figure.add_scatter(x=[rate for rate, _ in line], y=[at for _, at in line], mode="lines", hoverinfo="skip",
                       line={"color": colour(position), "width": 2}, showlegend=False, legendgroup=title)
    shape = SYMBOLS[position % len(SYMBOLS)]
    figure.add_scatter(
        x=[point["rate"] for point in points], y=values, mode="markers", name=title, legendgroup=title,
        cliponaxis=False,
        marker={"size": 9, "color": colour(position), "symbol": [
            shape if point["passed"] and not point["blame"] else f"{shape}-open" for point in points]},
        customdata=[[f"{point['requests']:,}", f"{point['over']:,}", outcome(point)] for point in points],
        hovertemplate=f"<b>{title}</b> at %{{x:,.4g}}/s: {form}<br>%{{customdata[1]}} of %{{customdata[0]}} requests "
                      "missed: %{customdata[2]}<extra></extra>",
    )


def _limit(figure: go.Figure, limit_ms: float, text: str) -> None:
    figure.add_hline(y=limit_ms, line={"dash": "dash", "color": LIMIT, "width": 1.5})
    # On a logarithmic axis a shape is placed by its value and an annotation by its exponent.
    figure.add_annotation(x=1, xref="paper", xanchor="right", y=math.log10(limit_ms), yanchor="bottom", text=text,
                          showarrow=False)


def _bracket(figure: go.Figure, result: Result) -> None:
    low, high = result["capacity"]["pass_rate"], result["capacity"]["fail_rate"]
    if low is not None and high is not None:
        figure.add_vrect(x0=low, x1=high, fillcolor=BETWEEN, line_width=0)
    for rate, text in ((low, "held"), (high, "failed")):
        if rate is not None:
            figure.add_vline(x=rate, line={"color": "#8a94a3", "width": 1})
            figure.add_annotation(x=rate, y=1, yref="paper", yanchor="bottom", text=f"{text}: {rate:,.4g}",
                                  xanchor="right" if text == "held" else "left", showarrow=False)
    if (wanted := result["question"]["rate"]) is not None:
        figure.add_vline(x=wanted, line={"dash": "dot", "color": LIMIT, "width": 1.5})
