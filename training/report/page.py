"""The page: what was found first, then the pictures of the reports, then every recipe with its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from training.atomic import write_atomically
from training.datasets import DATASETS
from training.recipes import RECIPES
from training.report import figures, tables
from training.results.durations import read_probes
from training.results.files import FOLDER, derive
from training.results.pooled import per_recipe
from training.results.table import NOT_RUN, rows
from training.results.verdict import NOT_DECIDABLE, NOT_REPRODUCED, REPRODUCED

HERE = Path(__file__).parent
# The page could not fetch anything even if it tried.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
# What a figure is of. Some reports tested on images that they had held out of the training split.
TESTED = {"test": "test images", "held-out": "held-out training images"}
PROTOCOL_NAMES = {"report": "the report's protocol", "clean": "clean protocol"}


def write_report(path: Path, folder: Path = FOLDER, *, root: Path | None = None) -> Path:
    """Write the page on the results in `folder` and the finished runs under `root` to `path`."""
    results = list(derive(folder, root=root).values())
    return write_atomically(path, page(results, read_probes(folder)).encode())


def page(results: Sequence[dict[str, Any]], probes: Sequence[dict[str, Any]] = ()) -> str:
    """The whole document."""
    from plotly.offline import get_plotlyjs

    drawn = _Pictures()
    order = {name: number for number, name in enumerate(RECIPES)}
    ordered = sorted(results, key=lambda result: order.get(result["recipe"], len(order)))
    body = _summary(ordered, probes) + _overviews(ordered, drawn) + _every_recipe(ordered, drawn)
    data = json.dumps(drawn.figures).replace("<", "\\u003c")  # nothing in it can end the script
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name=viewport content="width=device-width, initial-scale=1"><title>Weighbridge: training report</title>'
        f"<style>{(HERE / 'report.css').read_text()}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{body}</main><script type=application/json id=figures>{data}</script>"
        f"<script>{(HERE / 'report.js').read_text()}</script></body></html>\n"
    )


class _Pictures:
    """The figures of a page, each with the place it will be drawn in."""

    def __init__(self) -> None:
        self.figures: dict[str, figures.Figure] = {}

    def place(self, caption: str, figure: figures.Figure) -> str:
        name = f"figure-{len(self.figures)}"
        self.figures[name] = figure
        place = f"<div id={name} style='height:{figure['layout']['height']}px'></div>"
        return f"<figure><figcaption>{escape(caption)}</figcaption>{place}</figure>"


def _summary(results: Sequence[dict[str, Any]], probes: Sequence[dict[str, Any]]) -> str:
    """What came out, in two sentences and one table."""
    table = rows(results, probes)
    verdicts = (row["verdict"] for row in table if RECIPES[row["recipe"]].reported)
    words = Counter(NOT_RUN if word == "-" or word.startswith(NOT_RUN) else word for word in verdicts)
    order = (REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE, NOT_RUN)
    said = f"Of the reports' {words.total()} networks: " + ", ".join(
        f"{words[word]} {word}" for word in order if words[word]
    )
    wall = sum(held["summary"]["wall_s"] for result in results for held in result["protocols"].values())
    runs = sum(held["summary"]["n"] for result in results for held in result["protocols"].values())
    return (
        "<h1><b>Weighbridge</b> training report</h1>"
        f"<p class=lead>{escape(said)}.</p>"
        f"<p class=soft>{runs} finished runs, {tables.clock(wall)} of training. Accuracies are per cent, with 95 % "
        "intervals: Student's over the seeds, Wilson's over the test images where there is one seed. Report 004 tested "
        "on images that it had held out of the training split, and so does its protocol here; every other figure is of "
        "the official test split.</p>"
        f"<h2>Reported and ours</h2>{tables.reproduction(table)}"
    )


def _overviews(results: Sequence[dict[str, Any]], drawn: _Pictures) -> str:
    parts = []
    best = list(per_recipe([result for result in results if result["recipe"] in RECIPES]).values())
    for family, name in (("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10")):
        held = [result for result in best if result["dataset"].removesuffix("-jpeg") == family]
        if held := [result for result in held if result["reported"] or "report" not in result["protocols"]]:
            parts.append(f"<h2>{name}: reported and ours in one picture</h2>")
            parts.append(drawn.place("accuracy as each tests; bars are 95 % intervals", figures.compared(held)))
    if shares := [result for result in best if result["recipe"].startswith("fm004-frac-")]:
        parts.append("<h2>How much data? Report 004's dense network on growing shares of Fashion-MNIST</h2>")
        parts.append("<div class=pair>")
        parts.append(drawn.place("by share: the report's protocol on held-out images, clean on the test split",
                                 figures.fractions(shares)))
        parts.append(drawn.place("held-out accuracy by epoch, first seed", figures.fraction_curves(shares)) + "</div>")
    if depths := [result for result in best if result["recipe"].startswith("cf004-")]:
        parts.append("<h2>Activation and depth: report 004 on CIFAR-10</h2>")
        parts.append(tables.activations(depths))
    return "".join(parts)


def _every_recipe(results: Sequence[dict[str, Any]], drawn: _Pictures) -> str:
    """In the order of the tables; a recipe that ran on several devices has a part for each."""
    by_recipe: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        by_recipe.setdefault(result["recipe"], []).append(result)
    parts = []
    for recipe, held in by_recipe.items():
        inside = "".join(_recipe(result, drawn) for result in held)
        if len(held) > 1:
            inside = f"<p class=soft>{escape(recipe)} by device; the table above counts all seeds together.</p>{inside}"
        parts.append(f"<section id='{escape(recipe)}'>{inside}</section>")
    return "<h2>Every recipe</h2>" + "".join(parts)


def _recipe(result: dict[str, Any], drawn: _Pictures) -> str:
    word = result["verdict"]["word"]
    said = f"<span class='verdict {tables.TONES[word]}'>{escape(word)}</span>" if word in tables.TONES else ""
    shown = ", ".join(
        f"{PROTOCOL_NAMES[name]} {100 * held['summary']['mean']:.2f} %" for name, held in result["protocols"].items()
    )
    where = result["environments"][0]
    facts = (
        f"{result['parameters']:,} parameters, {result['epochs']} epochs, {result['dataset']} on {result['device']} "
        f"({where['machine'].get('gpu') or where['machine']['cpu']}, torch {where['versions']['torch']}), "
        f"recipe {result['fingerprint']}"
    )
    inside = "".join(_protocol(result, name, held, drawn) for name, held in result["protocols"].items())
    return (
        f"<details><summary><b>{escape(result['recipe'])}</b> "
        f"<span class=soft>on {result['device']}: {escape(shown)}</span> {said}</summary>"
        f"<p>{escape(result['description'])}. <span class=soft>{escape(facts)}</span></p>"
        f"<p>{escape(result['verdict']['reason'])}.</p>{inside}</details>"
    )


def _protocol(result: dict[str, Any], name: str, held: dict[str, Any], drawn: _Pictures) -> str:
    names = DATASETS[result["dataset"]].classes
    tested = TESTED[held["split"]["tests_on"]]
    seeds = f"all {len(held['seeds'])} seeds" if len(held["seeds"]) > 1 else f"seed {held['seeds'][0]['seed']}"
    return (
        f"<h3>{escape(PROTOCOL_NAMES[name].capitalize())}</h3>{tables.seeds(held)}<div class=pair>"
        + drawn.place(f"accuracy per epoch, {seeds}", figures.curves(held, "accuracy"))
        + drawn.place(f"loss per epoch, {seeds}", figures.curves(held, "loss"))
        + drawn.place(f"{tested}, {seeds}: rows true, columns answered", figures.confusion(held, "test", names))
        + drawn.place(f"training images, {seeds}: rows true, columns answered", figures.confusion(held, "train", names))
        + f"</div><h4>Classes on the {tested}, {seeds}</h4>{tables.classes(held, names)}"
    )
