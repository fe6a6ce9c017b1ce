"""The end of a contest: JSON and Markdown from its raw rows."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.contest.duel import Contest
from benchmarks.contest.verdict import derive
from benchmarks.contest.words import markdown
from service.card import write_atomically


def finish(contest: Contest) -> dict[str, Any]:
    """Derive and write."""
    result = derive(contest)
    write_atomically(contest.folder / "comparison.json", json.dumps(result, indent=1).encode() + b"\n")
    (contest.folder / "comparison.md").write_text(markdown(result), encoding="utf-8")
    return result
