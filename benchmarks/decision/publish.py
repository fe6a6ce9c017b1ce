"""The end of a decision: JSON, Markdown, page and terminal from its raw rows, and what of it is committed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comparison.publish import RESULTS
from benchmarks.comparison.run import RunError
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.page import write_page
from benchmarks.decision.result import derive, write_decision
from benchmarks.decision.words import markdown, show
from benchmarks.machine.fingerprint import slug
from service.card import write_atomically

PUBLISHED = RESULTS / "decisions"
USUAL = "fashion-mnist"  # whose images the repository carries


def finish(folder: DecisionFolder, console: Console) -> dict[str, Any]:
    """Derive, write and print whatever is measured so far."""
    result = derive(folder)
    write_decision(folder, result)
    (folder.folder / "decision.md").write_text(markdown(result), encoding="utf-8")
    page = write_page(folder.folder / "decision.html", result)
    show(result, console)
    console.print(f"report: [bold]{page}[/]", soft_wrap=True)
    return result


def publish(result: dict[str, Any], folder: Path = PUBLISHED) -> Path:
    """Store a decision as `<machine>.json`, to be committed; README, docs and their pictures are made from it.

    One on another data set than USUAL has its name behind the machine's, so that both can stand.

    RunError for one that is invalid, a screening, or without an answer: nobody should decide by it.
    """
    state = result["validity"]
    if not state["valid"]:
        told = "; ".join(item["reason"] for item in state["reasons"][:3])
        raise RunError(f"not published, because this result is INVALID: {told}. What to do: "
                       f"{'; '.join(state['advice'])}")
    if result["wish"]["screening"]:
        raise RunError("not published, because --quick only screens; run it again without")
    if not result["decision"]["recommended"]:
        raise RunError(f"not published, because it recommends nothing: {result['decision']['sentence']}")
    content = json.dumps(result | {"published": time.strftime("%Y-%m-%d", time.gmtime())}, indent=1).encode() + b"\n"
    others = sorted({split["dataset"] for split in result["datasets"].values()} - {USUAL})
    return write_atomically(folder / f"{'-'.join([slug(result['machine']), *others])}.json", content)


def published(folder: Path | None = None) -> list[Path]:
    """The committed decisions; of each machine first the one on the usual data set."""
    return sorted((folder or PUBLISHED).glob("*.json"), key=lambda path: path.stem)
