"""An evaluation as a document: JSON for programs, CSV for tables, and HTML that needs no server to be read again."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import time
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Literal, get_args

from starlette.responses import Response

from service.fields import shorten
from service.problems import Problem
from service.scoring import wilson
from service.wire import EvaluateAnswer, ReliabilityBin

Kind = Literal["json", "csv", "html"]
TYPES: dict[str, Kind] = {"application/json": "json", "text/csv": "csv", "text/html": "html"}
WIDEST = 30  # classes of a confusion matrix that a page can show
SIDE = 220   # pixels of the reliability diagram, without the room for its axes
ROOM = 44
FEW = 30     # images of a bin that is drawn faded
STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
th, td { padding: .2rem .6rem; text-align: right; font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left }
thead th { border-bottom: 1px solid currentColor } .soft { opacity: .7 }
.hit { font-weight: 600 } .zero { opacity: .25 }
.mistakes { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; max-width: 9rem; font-size: .85rem }
figure img { width: 96px; image-rendering: pixelated; background: #888 }
svg { max-width: 100% } svg text { font: 11px system-ui, sans-serif; fill: currentColor }
@media print { table { display: table; font-size: .7rem } .mistakes, tr { break-inside: avoid } }
""".strip()
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
SAFE = {
    "Content-Security-Policy": f"default-src 'none'; img-src data:; style-src 'sha256-{STYLE_HASH}'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


def chosen_format(query: Mapping[str, str], accept: str) -> Kind:
    """What was asked for: `format` in the query, else the first known type of the header Accept, else JSON."""
    asked = query.get("format")
    if asked is not None:
        if asked not in get_args(Kind):
            raise Problem("bad-value", f"format is {shorten(asked)}", field="format",
                          cure=f"use one of {', '.join(get_args(Kind))}")
        return asked  # type: ignore[return-value]
    for part in accept.split(","):
        kind = TYPES.get(part.partition(";")[0].strip().lower())
        if kind is not None:
            return kind
    return "json"


def render(answer: EvaluateAnswer, kind: Kind) -> Response:
    """The answer as a response."""
    if kind == "csv":
        return Response(to_csv(answer), media_type="text/csv")
    if kind == "html":
        return Response(to_html(answer), media_type="text/html", headers=SAFE)
    return Response(to_json(answer), media_type="application/json")


def to_json(answer: EvaluateAnswer) -> str:
    """Everything but the thumbnails and the images of the cells."""
    bare: Any = {"mistakes": {"__all__": {"thumbnail"}}, "cells": True}
    exclude: Any = {**bare, "comparison": {"other": bare}}
    return answer.model_dump_json(exclude_none=True, exclude=exclude)


def to_csv(answer: EvaluateAnswer) -> str:
    """One figure per line: model, metric, class, other (the predicted class, k or a bin's upper end), value."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("model", "metric", "class", "other", "value"))
    for each in (answer, answer.comparison.other) if answer.comparison else (answer,):
        name = f"{each.model}@{each.version}"
        writer.writerows((name, *row) for row in _figures(each))
    if found := answer.comparison:
        name = f"{answer.model}@{answer.version} - {found.other.model}@{found.other.version}"
        for metric in ("difference", "low", "high", "p_value", "only_first", "only_second"):
            writer.writerow((name, metric, "", "", getattr(found, metric)))
    return buffer.getvalue()


def _figures(answer: EvaluateAnswer) -> Iterator[tuple[str, Any, Any, Any]]:
    for metric in ("count", "correct", "accuracy"):
        yield metric, "", "", getattr(answer, metric)
    yield "accuracy_low", "", "", answer.interval.low
    yield "accuracy_high", "", "", answer.interval.high
    for metric in ("balanced_accuracy", "log_loss", "brier", "ece", "throughput"):
        yield metric, "", "", getattr(answer, metric)
    for top in answer.top_k:
        yield "top_k", "", top.k, top.accuracy
    for average in ("macro", "micro", "weighted"):
        for metric in ("precision", "recall", "f1"):
            yield f"{average}_{metric}", "", "", getattr(getattr(answer, average), metric)
    for quantile in ("p50", "p90", "p99", "mean"):
        yield f"batch_ms_{quantile}", "", "", getattr(answer.latency.batch_ms, quantile)
    for each in answer.classes:
        for metric in ("precision", "recall", "f1", "support"):
            yield metric, each.label, "", getattr(each, metric)
    for bin_ in answer.reliability:
        if bin_.count:
            for metric in ("count", "accuracy", "confidence"):
                yield f"bin_{metric}", "", bin_.high, getattr(bin_, metric)
    for truth, row in zip(answer.classes, answer.confusion, strict=True):
        for predicted, count in zip(answer.classes, row, strict=True):
            if count:
                yield "confusion", truth.label, predicted.label, count


def to_html(answer: EvaluateAnswer) -> str:
    """One page without scripts or links, to keep and to send."""
    names = [f"{each.model}@{each.version}" for each in _both(answer)]
    title = f"{' against '.join(names)} on {answer.split.name}"
    parts = [f"<h1>{escape(title)}</h1>", *_provenance(answer), *_comparison(answer)]
    for name, each in zip(names, _both(answer), strict=True):
        parts += [f"<h1>{escape(name)}</h1>" if answer.comparison else "", *_model(each)]
    return (f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</html>\n")


def _both(answer: EvaluateAnswer) -> tuple[EvaluateAnswer, ...]:
    return (answer, answer.comparison.other) if answer.comparison else (answer,)


def _provenance(answer: EvaluateAnswer) -> Iterator[str]:
    """What was scored, how, when and by what: who finds the file later has nothing else to go by."""
    split = answer.split
    whole = split.count is None or split.count == answer.count
    images = f"{answer.count:,} images" if whole else f"{answer.count:,} of {split.count:,} images (limit)"
    yield (f"<p class=soft>{images}, {escape(answer.runtime)} on {escape(answer.device)}"
           + (f", route {escape(answer.route)}" if answer.route else "") + "</p>")
    told = [f"Split {escape(split.name)}, SHA-256 {split.sha256}." if split.sha256 else
            f"The images, {escape(split.name)}, have no hash."]
    if answer.made:
        told.append(f"Evaluated at {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(answer.made))}"
                    + (f" by Weighbridge {escape(answer.made_by)}." if answer.made_by else "."))
    yield f"<p class=soft>{' '.join(told)}</p>"


def _model(answer: EvaluateAnswer) -> Iterator[str]:
    low, high, latency = answer.interval.low, answer.interval.high, answer.latency
    yield _table(("", ""), [
        ("accuracy", f"{answer.accuracy:.2%} [{low:.2%}, {high:.2%}]"),
        ("balanced accuracy", f"{answer.balanced_accuracy:.2%}"),
        *((f"top {top.k}", f"{top.accuracy:.2%}") for top in answer.top_k if top.k > 1),
        *((f"{kind} precision, recall, F1", f"{each.precision:.4f}, {each.recall:.4f}, {each.f1:.4f}")
          for kind, each in (("macro", answer.macro), ("weighted", answer.weighted))),
        ("log loss", f"{answer.log_loss:.4f}"), ("Brier score", f"{answer.brier:.4f}"),
        ("expected calibration error", f"{answer.ece:.4f}"),
        (f"milliseconds per {latency.batch_size} images, median and 99 %",
         f"{latency.batch_ms.p50:.2f}, {latency.batch_ms.p99:.2f}"),
        ("images per second in the runtime", f"{answer.throughput:,.0f}"),
    ])
    yield "<h2>Classes</h2>" + _table(
        ("class", "precision", "recall", "F1", "images"),
        [(each.label, f"{each.precision:.4f}", f"{each.recall:.4f}", f"{each.f1:.4f}", f"{each.support:,}")
         for each in answer.classes],
    )
    yield "<h2>Confusion</h2>" + _confusion(answer)
    yield ("<h2>Reliability</h2><p class=soft>How often the model is right where it is so sure. On the line it is as "
           f"often right as it says. Whiskers are 95 % Wilson intervals; a bar of less than {FEW} images is faded.</p>"
           f"{_diagram(answer.reliability)}")
    yield _table(("sure", "right", "images"), [
        (f"{each.confidence:.1%}", f"{each.accuracy:.1%}", f"{each.count:,}")
        for each in answer.reliability if each.accuracy is not None and each.confidence is not None
    ])
    if answer.mistakes:
        yield "<h2>Most confident mistakes</h2><div class=mistakes>" + "".join(
            f"<figure><img alt='image {each.place}' src='{escape(each.thumbnail or '')}'><figcaption>"
            f"{escape(each.predicted)}, {each.probability:.1%}<br>is {escape(each.label)}<br>"
            f"<span class=soft>{escape(each.name or f'image {each.place}')}</span></figcaption></figure>"
            for each in answer.mistakes
        ) + "</div>"


def _comparison(answer: EvaluateAnswer) -> Iterator[str]:
    if (found := answer.comparison) is None:
        return
    other = f"{found.other.model}@{found.other.version}"
    verdict = ("cannot be told apart on these images" if found.low <= 0 <= found.high
               else "is better" if found.difference > 0 else "is worse")
    yield f"<h2>Against {escape(other)}</h2>" + _table(("", ""), [
        ("difference of accuracy, points",
         f"{100 * found.difference:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"),
        ("only the first is right", f"{found.only_first:,}"), ("only the second is right", f"{found.only_second:,}"),
        ("p, McNemar's exact test", f"{found.p_value:.3g}"), ("verdict at 95 %", verdict),
    ])


def _confusion(answer: EvaluateAnswer) -> str:
    labels = [each.label for each in answer.classes]
    if len(labels) > WIDEST:
        pairs = sorted(
            ((count, truth, predicted) for truth, row in zip(labels, answer.confusion, strict=True)
             for predicted, count in zip(labels, row, strict=True) if count and truth != predicted), reverse=True
        )
        return _table(("is", "was taken for", "images"), [(t, p, f"{c:,}") for c, t, p in pairs[:WIDEST]])
    rows = "".join(
        f"<tr><th>{escape(label)}</th>" + "".join(
            f"<td class={'hit' if place == column else 'zero' if not count else 'miss'}>{count:,}</td>"
            for column, count in enumerate(row)
        ) + "</tr>"
        for place, (label, row) in enumerate(zip(labels, answer.confusion, strict=True))
    )
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    return f"<table><thead><tr><th>is \\ taken for</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _diagram(bins: list[ReliabilityBin]) -> str:
    def x(share: float) -> float:
        return ROOM + share * SIDE

    def y(share: float) -> float:
        return 8 + (1 - share) * SIDE

    parts = [f"<rect x='{ROOM}' y='8' width='{SIDE}' height='{SIDE}' fill='#8881'/>"]
    for each in bins:
        if each.accuracy is None:
            continue
        low, high = wilson(round(each.accuracy * each.count), each.count)
        middle = x((each.low + each.high) / 2)
        faded = " opacity='.35'" if each.count < FEW else ""
        parts.append(
            f"<g{faded}><rect x='{x(each.low):.1f}' y='{y(each.accuracy):.1f}' "
            f"width='{(each.high - each.low) * SIDE - 1:.1f}' height='{each.accuracy * SIDE:.1f}' fill='#48c'>"
            f"<title>{each.count:,} images, {each.accuracy:.1%} right at {each.confidence:.1%}</title></rect>"
            f"<path d='M {middle:.1f} {y(low):.1f} V {y(high):.1f}' stroke='currentColor'/></g>")
    parts.append(f"<path d='M {x(0)} {y(0)} L {x(1)} {y(1)}' stroke='currentColor' stroke-dasharray='4'/>")
    for share in (0.0, 0.5, 1.0):
        parts += [f"<text x='{x(share)}' y='{y(0) + 14}' text-anchor='middle'>{share:.0%}</text>",
                  f"<text x='{ROOM - 4}' y='{y(share) + 4}' text-anchor='end'>{share:.0%}</text>"]
    parts += [f"<text x='{x(0.5)}' y='{y(0) + 30}' text-anchor='middle'>how sure</text>",
              f"<text transform='translate(11 {y(0.5)}) rotate(-90)' text-anchor='middle'>how often right</text>"]
    width, height = SIDE + ROOM + 16, SIDE + ROOM
    return (f"<svg viewBox='0 0 {width} {height}' width='{width}' height='{height}' role=img aria-label='How often the "
            f"model is right against how sure it is; the table below has the figures'>{''.join(parts)}</svg>")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    top = "<thead><tr>" + "".join(f"<th>{escape(each)}</th>" for each in head) + "</tr></thead>" if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f"<table>{top}<tbody>{body}</tbody></table>"
