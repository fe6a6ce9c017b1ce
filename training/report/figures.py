"""The report's pictures as plotly figures, in plain data: {"data": [...], "layout": {...}}.

Colours are names of the page's CSS variables; the page puts in what the reader's theme has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.report.classes import added

Figure = dict[str, Any]
Result = dict[str, Any]

TRAIN, WATCHED, REPORTED, INK = "var(--train)", "var(--watched)", "var(--reported)", "var(--ink)"
SHARES = ("var(--share-1)", "var(--share-2)", "var(--share-3)", "var(--share-4)", "var(--share-5)")


def curves(held: dict[str, Any], what: str) -> Figure:
    """`accuracy` or `loss` per epoch of every seed, on the training images and on those the protocol watches."""
    watched = "validation" if held["split"]["watches"] == "held-out" else "test"
    scale = 100 if what == "accuracy" else 1
    lines = []
    for number, kept in enumerate(held["seeds"]):
        for side, name, colour in (("train", "training, while learning", TRAIN), ("watched", watched, WATCHED)):
            values = [scale * value for value in kept["curves"][f"{side}_{what}"]]
            lines.append({
                "type": "scatter", "mode": "lines", "x": list(range(1, len(values) + 1)), "y": values,
                "name": name, "legendgroup": side, "showlegend": number == 0,
                "line": {"color": colour, "width": 2}, "opacity": 1 if len(held["seeds"]) == 1 else 0.7,
                "hovertemplate": f"seed {kept['seed']}, epoch %{{x}}: %{{y:.4~g}}<extra>{name}</extra>",
            })
    title = "accuracy, %" if what == "accuracy" else "loss, nats per image"
    return {"data": lines, "layout": _layout(x="epoch", y=title)}


def confusion(held: dict[str, Any], side: str, classes: Sequence[str]) -> Figure:
    """Counts over all seeds; the colour is the share of the true class."""
    matrix = added(held["seeds"], side)
    shares = [[100 * count / max(1, sum(row)) for count in row] for row in matrix]
    layout = _layout(x="", y="")
    layout["xaxis"] |= {"tickangle": -90, "constrain": "domain"}
    layout["yaxis"] |= {"autorange": "reversed", "scaleanchor": "x", "constrain": "domain"}
    layout |= {"height": 460, "showlegend": False}
    layout["yaxis"]["constraintoward"] = "top"  # on a narrow screen the matrix is small: leave no hole above it
    heat = {
        "type": "heatmap", "z": shares, "x": list(classes), "y": list(classes), "text": matrix, "zmin": 0, "zmax": 100,
        "texttemplate": "%{text}", "textfont": {"size": 10}, "showscale": False, "xgap": 1, "ygap": 1,
        "colorscale": [[0, "var(--heat-0)"], [0.05, "var(--heat-1)"], [0.3, "var(--heat-2)"], [1, "var(--heat-3)"]],
        "hovertemplate": "%{y} answered as %{x}: %{text}, %{z:.1f} % of its images<extra></extra>",
    }
    return {"data": [heat], "layout": layout}


def compared(results: Sequence[Result]) -> Figure:
    """Reported and our figures of all recipes of one data set, ours with their intervals."""
    names = [result["recipe"] for result in results][::-1]
    spans = [(result["recipe"], result["reported"]["test"]) for result in results if result["reported"]]
    ours = [(result["recipe"], held["summary"]) for result in results if (held := result["protocols"].get("report"))]
    clean = [(result["recipe"], held["summary"]) for result in results if (held := result["protocols"].get("clean"))]
    figures = [
        {
            "type": "scatter", "mode": "lines+markers", "name": "reported", "legendgroup": "reported",
            "x": [100 * end for end in span], "y": [name, name], "showlegend": number == 0,
            "line": {"color": REPORTED, "width": 6}, "marker": {"symbol": "diamond", "size": 11, "color": REPORTED},
            "hovertemplate": "%{y}: %{x:.2f} %<extra>reported</extra>",
        }
        for number, (name, span) in enumerate(spans)
    ]
    figures += [_dots("ours, the report's protocol", ours, TRAIN, "circle"),
                _dots("ours, clean protocol", clean, WATCHED, "circle-open")]
    layout = _layout(x="accuracy, %", y="")
    layout["yaxis"] |= {"categoryorder": "array", "categoryarray": names, "automargin": True}
    layout["height"] = 120 + 30 * len(names)
    return {"data": figures, "layout": layout}


def fractions(results: Sequence[Result]) -> Figure:
    """Accuracy over the share of the training images, with intervals."""
    points = sorted((result["fraction"], result) for result in results)
    figures = []
    for name, protocol, colour in (("ours, the report's protocol", "report", TRAIN),
                                   ("ours, clean protocol", "clean", WATCHED)):
        held = [(100 * share, result["protocols"][protocol]["summary"]) for share, result in points
                if protocol in result["protocols"]]
        figures.append({
            "type": "scatter", "mode": "lines+markers", "name": name, "x": [share for share, _ in held],
            "y": [100 * summary["mean"] for _, summary in held], "line": {"color": colour, "width": 2},
            "marker": {"size": 8}, "error_y": _errors([summary for _, summary in held], colour),
            "hovertemplate": "%{x} % of the images: %{y:.2f} %<extra></extra>",
        })
    figures.append({
        "type": "scatter", "mode": "markers", "name": "reported, the ends of its curve", "x": [20, 100], "y": [84, 89],
        "marker": {"symbol": "diamond", "size": 11, "color": REPORTED},
        "hovertemplate": "%{x} % of the images: %{y} %<extra>reported</extra>",
    })
    return {"data": figures, "layout": _layout(x="share of the training images, %", y="accuracy, %")}


def fraction_curves(results: Sequence[Result]) -> Figure:
    """Accuracy per epoch on held-out images, one line per share of the training images (first seed)."""
    lines = []
    for colour, result in zip(SHARES, sorted(results, key=lambda held: held["fraction"]), strict=False):
        held = result["protocols"].get("report") or result["protocols"]["clean"]
        values = [100 * value for value in held["seeds"][0]["curves"]["watched_accuracy"]]
        lines.append({
            "type": "scatter", "mode": "lines", "name": f"{result['fraction']:.0%}", "y": values,
            "x": list(range(1, len(values) + 1)), "line": {"color": colour, "width": 2},
            "hovertemplate": "epoch %{x}: %{y:.2f} %<extra>%{fullData.name}</extra>",
        })
    return {"data": lines, "layout": _layout(x="epoch", y="held-out accuracy, %")}


def _dots(name: str, held: Sequence[tuple[str, dict[str, Any]]], colour: str, symbol: str) -> dict[str, Any]:
    summaries = [summary for _, summary in held]
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": [100 * summary["mean"] for summary in summaries],
        "y": [recipe for recipe, _ in held], "marker": {"symbol": symbol, "size": 9, "color": colour},
        "error_x": _errors(summaries, colour),
        "hovertemplate": "%{y}: %{x:.2f} %<extra>" + name + "</extra>",
    }


def _errors(summaries: Sequence[dict[str, Any]], colour: str) -> dict[str, Any]:
    return {
        "type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 4,
        "array": [100 * (summary["high"] - summary["mean"]) for summary in summaries],
        "arrayminus": [100 * (summary["mean"] - summary["low"]) for summary in summaries],
    }


def _layout(*, x: str, y: str) -> dict[str, Any]:
    axis = {"gridcolor": "var(--line)", "zeroline": False, "linecolor": "var(--line)", "automargin": True}
    size = {"font": {"size": 13}, "standoff": 8}
    return {
        "xaxis": axis | {"title": {"text": x, **size}}, "yaxis": axis | {"title": {"text": y, **size}},
        "font": {"color": INK, "size": 13}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 12, "t": 8, "b": 48}, "height": 320, "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    }
