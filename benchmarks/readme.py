"""The generated parts of the README: tables made from cards, settings and committed results, never typed.

    python -m benchmarks.readme            write them (make readme)
    python -m benchmarks.readme --check    exit 1 when the README is stale

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; BLOCKS says which names there are.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.comparison.publish import RESULTS
from benchmarks.machine.children import ROOT
from benchmarks.report.tables import caption, comparison_table
from service.card import CARD_FILE, ModelCard, read_card
from service.settings import table as settings_table

README = ROOT / "README.md"
MODELS = ROOT / "models"
REPRODUCTION = ROOT / "training" / "results" / "reproduction.json"
MARKED = re.compile(r"(?P<open><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<close><!-- end -->)", re.DOTALL)


def models_table(root: Path = MODELS) -> str:
    """The bundled models from their cards, most accurate first."""
    cards = [read_card(path.parent) for path in root.glob(f"*/*/{CARD_FILE}")]
    cards.sort(key=lambda card: (-card.score.accuracy if card.score else 0, card.name))
    lines = [
        "| Model | What it is | Test accuracy | Parameters | MMAC | ONNX |",
        "|---|---|---:|---:|---:|---:|",
        *map(_row, cards),
    ]
    return "\n".join(lines)


def _row(card: ModelCard) -> str:
    score, file = card.score, card.file("onnx")
    assert score is not None, f"{card.id} is bundled without a score"
    assert file is not None, f"{card.id} is bundled without ONNX"
    return (
        f"| `{card.name}` | {card.description} | {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}] "
        f"| {card.parameters:,} | {(card.macs or 0) / 1e6:.2f} | {file.size_bytes / 1000:,.0f} kB |"
    )


def comparison(folder: Path = RESULTS) -> str:
    """One table per machine whose results are committed, with the sentence that must stand under it."""
    results = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(f"{comparison_table(result)}\n\n{caption(result)}" for result in results)


def reproduction(path: Path = REPRODUCTION) -> str:
    """What each report says beside what its recipe gave here. The rows are finished by `python -m training results`."""
    table = json.loads(path.read_bytes())
    columns, right = [name for name in table["columns"] if name != "why"], set(table["right_aligned"])
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join("---:" if c in right else "---" for c in columns) + "|"]
    lines += ["| " + " | ".join(row[name] or "–" for name in columns) + " |" for row in table["rows"]]
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "models": models_table,
    "comparison": comparison,
    "reproduction": reproduction,
    "settings": settings_table,
}


def generate(text: str) -> str:
    """`text` with every marked part made anew; KeyError for a name that BLOCKS does not know."""
    return MARKED.sub(lambda found: f"{found['open']}{BLOCKS[found['name']]().strip()}\n{found['close']}", text)


def main(arguments: list[str]) -> int:
    """Write the README, or with --check only say whether it is current."""
    written = README.read_text()
    current = generate(written)
    if "--check" in arguments:
        return int(written != current)
    README.write_text(current)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
