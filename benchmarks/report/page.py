"""One HTML file that answers first and shows its evidence below: no network, light and dark, phone and paper.

Reads a result only. What it shows and in which order is SECTIONS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.comparison.result import publishable
from benchmarks.report import evidence, sections
from benchmarks.report.figures import library
from benchmarks.report.markup import Markup, el, join
from benchmarks.report.tables import ordered

STYLE = Path(__file__).with_name("report.css")
# The page could not fetch anything even if it tried.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SECTIONS: tuple[Callable[[dict[str, Any]], Markup | None], ...] = (
    sections.answer, sections.trade_off, sections.comparison, sections.latencies, sections.accuracies,
    evidence.stages, evidence.micro, evidence.validity, evidence.machine, evidence.reproduce,
)


def write_report(path: Path, result: dict[str, Any]) -> Path:
    """Write the page for a result to `path`."""
    path.write_text(page(result), encoding="utf-8")
    return path


def page(result: dict[str, Any]) -> str:
    """The whole document of a comparison."""
    result = result | {"models": ordered(result["models"])}
    return document(
        title=f"{len(result['models'])} models, {result['created'][:10]}",
        heading=f"comparison of {result['created'][:16].replace('T', ' ')} UTC",
        sections=[section for build in SECTIONS if (section := build(result)) is not None],
        run_id=result["run_id"], data=publishable(result),
    )


def document(*, title: str, heading: str, sections: Iterable[Markup], run_id: str, data: Any) -> str:
    """A page in our looks; `data` is stored in it as JSON."""
    stored = json.dumps(data).replace("<", "\\u003c")  # nothing in it can end the script
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"Weighbridge: {title}"),
        el("style", Markup(STYLE.read_text())),
        library(),
    )
    body = el(
        "body",
        el("main",
           el("h1", el("b", "Weighbridge"), f" {heading}"),
           *(el("section", section) for section in sections),
           el("footer", f"Run {run_id}. The result behind this page is in its source as JSON; raw rows lie "
                        "beside the file.")),
        Markup(f'<script type="application/json" id="result">{stored}</script>'),
    )
    return "<!doctype html>\n" + el("html", join([head, body]), lang="en")
