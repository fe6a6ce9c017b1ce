"""The end of a run: result, report and table from its raw rows, and what of it is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comparison.result import derive, publishable, write_result
from benchmarks.comparison.run import Run
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import slug
from benchmarks.report.page import write_report
from benchmarks.report.tables import terminal_table
from service.card import write_atomically

RESULTS = ROOT / "benchmarks" / "results"


def finish(run: Run, console: Console) -> dict[str, Any]:
    """Derive, write and print whatever is measured so far."""
    result = derive(run)
    write_result(run, result)
    page = write_report(run.folder / "report.html", result)
    if not result["models"]:
        console.print("nothing was measured")
        return result
    console.print()
    for sentence in result["verdict"]:
        console.print(sentence, soft_wrap=True)
    console.print()
    console.print(terminal_table(result))
    console.print()
    print_validity(result["validity"], console)
    console.print(f"report: [bold]{page}[/]", soft_wrap=True)
    return result


def publish(result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Store the summary as `<machine>.json`, to be committed; README tables are made from it."""
    content = json.dumps(publishable(result), indent=1).encode() + b"\n"
    return write_atomically(folder / f"{slug(result['machine'])}.json", content)


def print_validity(validity: dict[str, Any], console: Console) -> None:
    """Whether the figures may be used, and if not, why and what to do."""
    console.print("[green]valid[/]" if validity["valid"] else "[bold red]INVALID[/]: figures marked ? must not be used")
    for colour, findings in (("red", validity["reasons"]), ("yellow", validity["notes"])):
        by_code: dict[str, list[str]] = {}
        for finding in findings:
            by_code.setdefault(finding["code"], []).append(finding["reason"])
        for code, reasons in by_code.items():
            more = f" (and {len(reasons) - 1} more, see the report)" if len(reasons) > 1 else ""
            console.print(f"  [{colour}]{code}[/] {reasons[0]}{more}", soft_wrap=True)
    if not validity["valid"]:
        console.print(f"  what to do: {'; '.join(validity['advice'])}", soft_wrap=True)
