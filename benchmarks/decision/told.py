"""The committed decisions as README tells them: the last answer first, then each in full, older ones folded away.

A decision holds for the machine it was measured on, so two of them on the same data may differ.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.decision.explain import makes_no_difference
from benchmarks.decision.publish import PUBLISHED, USUAL, published
from benchmarks.decision.trades import trades
from benchmarks.decision.words import short_table
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import cpu_name
from service.card import CARD_FILE, read_card

MODELS = ROOT / "models"
ASK = "python -m benchmarks weigh --slo p99=20ms --min-accuracy 0.85 --rate 200 --pareto --publish"
NOTHING = f"No decision is committed yet; `{ASK}` makes one."
Result = dict[str, Any]


def decisions(folder: Path = PUBLISHED) -> dict[str, Result]:
    """The committed decisions by the name of their files: by data set, the usual first; of each the newest first."""
    found = {path.stem: json.loads(path.read_bytes()) for path in published(folder)}
    newest = sorted(found.items(), key=lambda item: str(item[1]["created"]), reverse=True)
    return dict(sorted(newest, key=lambda item: (_data(item[1]) != USUAL, _data(item[1]))))


def headline() -> str:
    """The newest decision on the usual data set: its sentence, doubts, what became of the others, and its picture."""
    for name, result in decisions().items():
        parts = [f"> {_said(result)}", "\n".join(_doubts(result)), _others(result["configurations"]), _picture(name)]
        return "\n\n".join(filter(None, parts))
    return NOTHING


def decision() -> str:
    """What was decided, by data set: the newest with command, configurations and picture; older ones folded away."""
    parts, told = list[str](), set[str]()
    for name, result in decisions().items():
        data = _data(result)
        parts.append(_folded(name, result) if data in told else _in_full(name, result))
        told.add(data)
    return "\n\n".join(parts) or NOTHING


def _in_full(name: str, result: Result) -> str:
    beside = [*_doubts(result), *(f"- or {trade}" for trade in trades(result["configurations"], result["wish"]))]
    parts = [_said(result), f"```sh\n{_for_everybody(result)}\n```", "\n".join(beside), short_table(result),
             _picture(name)]
    return "\n\n".join(filter(None, parts))


def _folded(name: str, result: Result) -> str:
    summary = f"{_where(result)}, earlier: {result['decision']['sentence'].split(':')[0]}"
    return f"<details><summary>{summary}</summary>\n\n{_in_full(name, result)}\n\n</details>"


def _others(entries: list[dict[str, Any]]) -> str:
    """How many lost, and how: `Of 20 configurations: 4 in a tie with it, 14 dominated, 1 unfit.`"""
    ties = sum(entry["verdict"] == "tie" for entry in entries)
    fit = sum(entry["verdict"] == "fits" for entry in entries)
    lost = [entry for entry in entries if entry["verdict"] == "rejected"]
    twins = sum(map(makes_no_difference, lost))
    dominated = sum(bool(entry["dominated"]) for entry in lost) - twins
    rejected = len(lost) - dominated - twins
    told = [f"{count} {text}" for count, text in (
        (ties, "in a tie with it"), (fit, "that would do, too"),
        (dominated, "dominated (another is as good in one respect and better in the other)"),
        (twins, "no different from the usual batching (joining requests does not pay for them)"),
        (rejected, "unfit (too slow, or not accurate enough)"),
    ) if count]
    return f"Of {len(entries)} configurations: {', '.join(told)}. [Every one, with its reason](#weigh)."


def _said(result: Result) -> str:
    return f"{_where(result)}: **{result['decision']['sentence']}**"


def _doubts(result: Result) -> list[str]:
    return [f"- but {caveat}" for caveat in result["decision"]["caveats"]]


def _where(result: Result) -> str:
    return f"On {_data(result)}, {cpu_name(result['machine'])}"


def _data(result: Result) -> str:
    return ", ".join(sorted({split["dataset"] for split in result["datasets"].values()}))


def _picture(name: str) -> str:
    return f"![Accuracy against capacity](docs/pictures/{name}-accuracy-capacity.svg)"


def _for_everybody(result: Result) -> str:
    """The command that serves the winner: from the bundle, where that holds the very file that was weighed."""
    found = result["decision"]
    best = next(entry for entry in result["configurations"] if entry["id"] == found["recommended"])
    name, version = best["model"].split("@")
    command, folder = str(found["command"]), MODELS / name / version
    bundled = read_card(folder).file(best["artifact"]["format"]) if (folder / CARD_FILE).exists() else None
    if bundled is None or bundled.sha256 != best["artifact"]["sha256"]:
        root = result["wish"]["root"]
        made = f"make zoo RECIPES={name}    # trains and exports it into {root}/"
        return command if root == "models" else f"{made}\n{command}"
    return re.sub("^WEIGHBRIDGE_MODELS=\\S+", "WEIGHBRIDGE_MODELS=models", command)
