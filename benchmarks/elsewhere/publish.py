"""The end of a measurement: JSON, Markdown, page and terminal from its raw rows."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.elsewhere.folder import CapacityFolder
from benchmarks.elsewhere.page import write_page
from benchmarks.elsewhere.result import derive, write_result
from benchmarks.elsewhere.words import markdown, show


def finish(folder: CapacityFolder, console: Console) -> dict[str, Any]:
    """Derive, write and print whatever is measured so far."""
    result = derive(folder)
    write_result(folder, result)
    (folder.folder / "capacity.md").write_text(markdown(result), encoding="utf-8")
    page = write_page(folder.folder / "capacity.html", result)
    show(result, console)
    console.print(f"report: [bold]{page}[/]", soft_wrap=True)
    return result
