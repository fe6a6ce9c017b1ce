"""This machine as a place to measure: its fingerprint, and what is off."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.comparison.contenders import MODELS, NothingToWeighError, find_contenders
from benchmarks.machine.cores import share_out
from benchmarks.machine.fingerprint import fingerprint, warnings


def doctor(console: Console) -> int:
    """Print it all; 0 even where something is off, because only the reader knows what the figures are for."""
    machine = fingerprint()
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in machine.items():
        table.add_row(f"[dim]{key}[/]", _shown(value))
    table.add_row("[dim]pinning[/]", str(share_out()))
    table.add_row("[dim]models[/]", _models())
    console.print(table)
    off = warnings(machine)
    for warning in off:
        console.print(f"[yellow]off:[/] {warning}")
    if not off:
        console.print("[green]nothing is off[/]")
    return 0


def _models() -> str:
    try:
        return ", ".join(contender.id for contender in find_contenders(MODELS))
    except NothingToWeighError as error:
        return str(error)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items() if entry is not None) or "none set"
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
