"""The end of a decision: JSON, Markdown, page and terminal from its raw rows."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.page import write_page
from benchmarks.decision.result import derive, write_decision
from benchmarks.decision.words import markdown, show


def finish(folder: DecisionFolder, console: Console) -> dict[str, Any]:
    """Derive, write and print whatever is measured so far."""
    result = derive(folder)
    write_decision(folder, result)
    (folder.folder / "decision.md").write_text(markdown(result), encoding="utf-8")
    page = write_page(folder.folder / "decision.html", result)
    show(result, console)
    console.print(f"report: [bold]{page}[/]", soft_wrap=True)
    return result
