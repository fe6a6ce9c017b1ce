"""The reproduction table as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from training.results.files import read_all
from training.results.table import RIGHT_ALIGNED, rows


def reproduction_table(folder: Path) -> str:
    """One row per recipe from the files in `folder`; accuracies in per cent, with 95 % intervals and seed counts."""
    table = rows(read_all(folder))
    columns = list(table[0])
    lines = [_line(columns), _line("---:" if column in RIGHT_ALIGNED else "---" for column in columns)]
    lines += [_line(cells.values()) for cells in table]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
