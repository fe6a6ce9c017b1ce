"""The report's tables as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from training.report.classes import added, per_class
from training.results.table import NOT_RUN, RIGHT_ALIGNED

Result = dict[str, Any]
TONES = {"reproduced": "good", "not reproduced": "bad", "not decidable": "warn"}


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, right: Sequence[int] = ()) -> str:
    """A table that scrolls by itself where it is too wide. Headings are text; cells are HTML, or whole `<td ...>`."""
    def cells(tag: str, texts: Iterable[str]) -> str:
        return "".join(
            text if text.startswith("<td") else f"<{tag}{' class=number' if number in right else ''}>{text}</{tag}>"
            for number, text in enumerate(texts)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = f"<thead><tr>{cells('th', map(escape, head))}</tr></thead>"
    return f"<div class=scroll><table>{top}<tbody>{body}</tbody></table></div>"


def reproduction(rows: Sequence[dict[str, str]]) -> str:
    """The reproduction table, with the verdict as a coloured word and its reason on a line of its own below."""
    head = [column for column in rows[0] if column != "why"]
    right = [number for number, column in enumerate(head) if column in RIGHT_ALIGNED]
    lines: list[list[str]] = []
    for row in rows:
        lines.append([_cell(column, row) for column in head])
        if row["why"] != NOT_RUN:
            word = f"<b class='phone {TONES[row['verdict']]}'>{row['verdict']}: </b>" if row["verdict"] in TONES else ""
            lines.append([f"<td class=why colspan={len(head)}><div>{word}{escape(row['why'])}</div>"])
    return f"<div class=reproduction>{table(head, lines, right=right)}</div>"


def classes(held: dict[str, Any], names: Sequence[str]) -> str:
    """Precision, recall and F1 of each class on the test images, all seeds together, and their means."""
    scores = per_class(added(held["seeds"], "test"))
    rows = [
        [escape(name), *(_share(value) for value in score[:3]), f"{score.images:,}"]
        for name, score in zip(names, scores, strict=True)
    ]
    means = [_share(math.fsum(values) / len(values)) for values in list(zip(*scores, strict=True))[:3]]
    rows.append(["<b>mean of the classes</b>", *means, f"{sum(score.images for score in scores):,}"])
    return table(["class", "precision", "recall", "F1", "images"], rows, right=(1, 2, 3, 4))


def activations(results: Sequence[Result]) -> str:
    """Report 004's table, activation by depth: ours with its interval over the reported figure, test and train."""
    by_name = {result["recipe"]: result for result in results}
    names = list(dict.fromkeys(name.split("-")[1] for name in by_name))
    rows = [
        [escape(name), *(_against_report(by_name.get(f"cf004-{name}-{depth}")) for depth in (1, 2, 3))]
        for name in names
    ]
    return table(["activation", "one hidden layer", "two", "three"], rows)


def seeds(held: dict[str, Any]) -> str:
    """One row per seed: figures, time and rate."""
    rows = [
        [
            str(kept["seed"]), _share(kept["figure"]["accuracy"]), str(kept["figure"]["epoch"]),
            _share(kept["train"]["accuracy"]), f"{kept['train']['loss']:.3f}",
            _share(kept["validation"]["accuracy"]) if kept["validation"] else "-",
            f"{kept['test']['loss']:.3f}", clock(kept["wall_s"]), f"{kept['images_per_s']:,.0f}",
        ]
        for kept in held["seeds"]
    ]
    head = ["seed", "figure, %", "of epoch", "train, %", "train loss", "validation, %", "its loss", "wall time",
            "images/s"]
    return table(head, rows, right=range(9))


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _against_report(result: Result | None) -> str:
    if result is None or "report" not in result["protocols"]:
        return NOT_RUN
    summary, reported = result["protocols"]["report"]["summary"], result["reported"]
    return (
        f"<b>{_share(summary['mean'])}</b> <small>reported {_share(reported['test'][0])}</small>"
        f"<small>train {_share(summary['train_accuracy'])}, reported {_share(reported['train'][0])}</small>"
    )


def _cell(column: str, row: dict[str, str]) -> str:
    text = escape(row[column])
    if column == "recipe":
        return text if row["why"].startswith(NOT_RUN) else f'<a href="#{text}">{text}</a>'
    if column in ("ours, the report's protocol", "ours, clean protocol") and " (" in text:
        mean, interval = text.split(" (")
        return f"{mean}<small>{interval.removesuffix(')')}</small>"
    if column == "verdict":
        word = NOT_RUN if text.startswith(NOT_RUN) else text  # how long it would take stands in the reason below
        return f"<b class={TONES[word]}>{word}</b>" if word in TONES else f"<span class=soft>{word}</span>"
    return text


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"
