"""The reproduction table as Markdown, and the page of this folder that shows it with every reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from training.recipes import VARIANTS
from training.results.table import RIGHT_ALIGNED

INDEX_PAGE = "README.md"
HEAD = """# What we measured

Written by `python -m training results` from the files beside it; do not edit. A row per recipe of the reports and of
our own: accuracies in per cent with 95 % intervals, and why each verdict is what it is. The rule behind the verdicts is
in [verdict.py](verdict.py); the files hold every seed, curve and confusion matrix, with machine and versions.
"""
READINGS = """
## Variants that were run

Other readings of what a report leaves open, and what it names without a figure. None was chosen by its test accuracy,
and none takes the place of a row above.
"""


def reproduction_table(rows: Sequence[dict[str, str]]) -> str:
    """One row per recipe; the last column says why."""
    columns = list(rows[0])
    lines = [_line(columns), _line("---:" if column in RIGHT_ALIGNED else "---" for column in columns)]
    lines += [_line(cells.values()) for cells in rows]
    return "\n".join(lines) + "\n"


def page(rows: Sequence[dict[str, str]], results: Sequence[dict[str, Any]]) -> str:
    """The folder's own page: the table, and the variants among `results`."""
    variants = [result for result in results if result["recipe"] in VARIANTS]
    if not variants:
        return f"{HEAD}\n{reproduction_table(rows)}"
    columns = ("recipe", "data", "parameters", "ours, the report's protocol", "ours, clean protocol")
    lines = [
        _line((*columns, "what it is")),
        _line(["---:" if column in RIGHT_ALIGNED else "---" for column in columns] + ["---"]),
        *(_line([*(kept["row"][column] for column in columns), kept["description"]]) for kept in variants),
    ]
    return f"{HEAD}\n{reproduction_table(rows)}{READINGS}\n" + "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
