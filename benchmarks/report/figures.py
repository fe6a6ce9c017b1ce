"""The interactive figures of the report, as plotly figures turned into HTML that needs no network.

Colours of axes and text come from the page's style sheet, so that one figure serves light, dark and paper.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import plotly.io
from hdrh.histogram import HdrHistogram
from plotly.offline import get_plotlyjs

from benchmarks.report.markup import Markup
from benchmarks.report.metrics import BY_KEY, Entry, Value, headline

# Okabe and Ito's colours, which people with any kind of colour vision can tell apart; black left out for dark pages.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star", "hexagon", "cross")
TICKS = (0.0, 50.0, 90.0, 99.0, 99.9)
# Plotly's own ticks say "2" for 2, 20 and 200 alike.
DECADES = [times * 10.0**power for power in range(-3, 5) for times in (1, 2, 5)]
LOGARITHMIC: dict[str, Any] = {"type": "log", "tickvals": DECADES, "ticktext": [f"{tick:g}" for tick in DECADES]}
CONFIG = {"displaylogo": False, "responsive": True, "displayModeBar": False}


def library() -> Markup:
    """plotly.js itself, once per page. `</` cannot end the script element early: the bundle escapes it."""
    return Markup(f"<script>{get_plotlyjs()}</script>")


def colour(position: int) -> str:
    """The colour of the model at a place in the table."""
    return COLOURS[position % len(COLOURS)]


def accuracy_against_p99(entries: list[Entry]) -> Markup:
    """Up and to the left is better; bars are 95 % intervals."""
    figure = go.Figure()
    rightmost = max((BY_KEY["response_p99"].measure(entry)[0] or 0.0 for entry in entries), default=0.0)
    for position, entry in enumerate(entries):
        x, y = BY_KEY["response_p99"].measure(entry), accuracy(entry)
        if x[0] is None or y[0] is None:
            continue
        believed = BY_KEY["response_p99"].believable(entry)
        figure.add_scatter(
            x=[x[0]], y=[y[0]], name=entry["name"], mode="markers+text", text=[entry["name"]],
            textposition=_beside(position, x[0] / rightmost), cliponaxis=False, showlegend=False,
            error_x=_bars(x), error_y=_bars(y),
            marker={"size": 13, "color": colour(position), "symbol": SYMBOLS[position % len(SYMBOLS)]
                    + ("" if believed else "-open")},
            hovertemplate=f"<b>{entry['name']}</b><br>p99 %{{x:.2f}} ms<br>accuracy %{{y:.2f}} %"
                          f"{'' if believed else '<br>INVALID: see below'}<extra></extra>",
        )
    figure.update_xaxes(title="p99 response time, ms (less is better)", rangemode="tozero")
    figure.update_yaxes(title="accuracy, % (more is better)")
    return drawn(figure, "accuracy-p99", 440)


def response_by_percentile(entries: list[Entry]) -> Markup:
    """How long the slowest share of requests waits; the tail is stretched, as it should be looked at."""
    figure = go.Figure()
    for position, entry in enumerate(entries):
        load = headline(entry)
        if load is None or not load["ok"]:
            continue
        x, y = _curve(load["response_us"]["hdr"], load["ok"])
        figure.add_scatter(
            x=x, y=y, name=entry["name"], mode="lines", line={"color": colour(position), "width": 2.5},
            customdata=[[100 - 100 / nines] for nines in x],
            hovertemplate=f"<b>{entry['name']}</b><br>p%{{customdata[0]:.2f}}: %{{y:.2f}} ms<extra></extra>",
        )
    figure.update_xaxes(title="percentile of requests", type="log", tickvals=[100 / (100 - tick) for tick in TICKS],
                        ticktext=[f"{tick:g}" for tick in TICKS])
    figure.update_yaxes(title="response time, ms", **LOGARITHMIC)
    return drawn(figure, "percentiles", 400)


def accuracy(entry: Entry) -> Value:
    """The card's accuracy where it has one, because it saw every image; else what was measured under load."""
    value = BY_KEY["card_accuracy"].measure(entry)
    return value if value[0] is not None else BY_KEY["accuracy"].measure(entry)


def _curve(hdr: str, count: int) -> tuple[list[float], list[float]]:
    """1/(1 - share) and milliseconds at steps fine enough for a smooth line, as far out as the count bears."""
    histogram = HdrHistogram.decode(hdr)
    steps = [10 ** (step / 20) for step in range(61)]
    steps = [nines for nines in steps if nines <= count]
    return steps, [histogram.get_value_at_percentile(100 - 100 / nines) / 1000 for nines in steps]


def _beside(position: int, share_of_width: float) -> str:
    """Where a label goes: neighbours in accuracy alternate up and down, and none runs out of the figure."""
    return f"{'bottom' if position % 2 else 'top'} {'left' if share_of_width > 0.6 else 'right'}"


def _bars(value: Value) -> dict[str, Any] | None:
    at, interval = value
    if at is None or interval is None:
        return None
    return {"type": "data", "array": [interval[1] - at], "arrayminus": [at - interval[0]], "thickness": 1.5, "width": 5}


def drawn(figure: go.Figure, name: str, height: int) -> Markup:
    """A figure as HTML in the looks of the page."""
    figure.update_layout(
        height=height, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", hovermode="closest",
        margin={"l": 60, "r": 20, "t": 20, "b": 55}, font={"family": "inherit", "size": 13},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}, showlegend=True,
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    return Markup(plotly.io.to_html(figure, full_html=False, include_plotlyjs=False, config=CONFIG, div_id=name))
