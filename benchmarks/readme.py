"""The generated parts of README and docs, and the page's leaderboard, from cards, settings and committed results.

    python -m benchmarks.readme            write them (make readme)
    python -m benchmarks.readme --check    exit 1 when any of them is stale

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; BLOCKS says which names there are.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks import board
from benchmarks.comparison.publish import RESULTS
from benchmarks.crosscheck.result import PUBLISHED as CHECKED
from benchmarks.crosscheck.result import sentences as crosscheck_sentences
from benchmarks.decision.pictures import PICTURES
from benchmarks.decision.told import MODELS, NOTHING, decision, decisions, headline
from benchmarks.devices.result import PUBLISHED as DEVICES
from benchmarks.devices.words import table as devices_table
from benchmarks.machine.children import ROOT
from benchmarks.peers.__main__ import RESULTS as PEERS
from benchmarks.peers.goals import goals_table
from benchmarks.peers.table import table as peers_table
from benchmarks.report.quantised import int8_table
from benchmarks.report.tables import caption, comparison_table
from benchmarks.rolling.__main__ import ROLLING
from benchmarks.rolling.words import rolling_table
from benchmarks.roofline.picture import draw as draw_roofline
from benchmarks.roofline.result import PUBLISHED as ROOFLINES
from benchmarks.roofline.words import table as roofline_table
from benchmarks.scale.words import scale
from benchmarks.soak.__main__ import RESULTS as SOAKS
from benchmarks.soak.words import caption as soak_caption
from benchmarks.soak.words import table as soak_table
from benchmarks.stall.publish import STALL
from benchmarks.stall.words import stall_table
from benchmarks.yielding.__main__ import RESULTS as YIELDING
from benchmarks.yielding.words import yielding_table
from service.card import CARD_FILE, ModelCard, read_card
from service.settings import table as settings_table

README = ROOT / "README.md"
DOCS = ROOT / "docs"
DRAWN = DOCS / "pictures"
REPRODUCTION = ROOT / "training" / "results" / "reproduction.json"
WATCHED = ("\\* trained as its report did, which looked at the test split after every epoch: such an accuracy is a "
           "little too good.")
INT8 = ROOT / "export" / "results" / "int8"
MARKED = re.compile(r"(?P<open><!-- generated: (?P<name>[a-z-]+) -->\n).*?(?P<close><!-- end -->)", re.DOTALL)


def models_table(root: Path = MODELS) -> str:
    """The bundled models from their cards, by the data they were scored on, most accurate first."""
    cards = [read_card(path.parent) for path in root.glob(f"*/*/{CARD_FILE}")]
    cards.sort(key=_place)
    lines = [
        "| Model | What it is | Data | Test accuracy | Parameters | MMAC | ONNX |",
        "|---|---|---|---:|---:|---:|---:|",
        *map(_row, cards),
    ]
    return "\n".join([*lines, "", WATCHED])


def _place(card: ModelCard) -> tuple[bool, float, str]:
    score = card.score
    assert score is not None, f"{card.id} is bundled without a score"
    return score.dataset != "fashion-mnist", -score.accuracy, card.name  # first what the demo weighs


def _row(card: ModelCard) -> str:
    score, file = card.score, card.file("onnx")
    assert score is not None, f"{card.id} is bundled without a score"
    assert file is not None, f"{card.id} is bundled without ONNX"
    watched = " *" if card.training.get("protocol") == "report" else ""
    return (
        f"| `{card.name}` | {card.description} | {score.dataset} "
        f"| {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}]{watched} "
        f"| {card.parameters:,} | {(card.macs or 0) / 1e6:.2f} | {file.size_bytes / 1000:,.0f} kB |"
    )


def comparison(folder: Path = RESULTS) -> str:
    """One table per machine whose results are committed, with the sentence that must stand under it."""
    results = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(f"{comparison_table(result)}\n\n{caption(result)}" for result in results)


def curves() -> str:
    """The tail against the rate, by machine, and what the page of the decision looks like."""
    parts = [f"![p99 against the offered rate](pictures/{machine}-tail-rate.svg)" for machine in decisions()]
    parts += [f"![The first screen of the page, {path.stem.removeprefix('weigh-')}](pictures/{path.name})"
              for path in sorted(DRAWN.glob("weigh-*.webp"))]
    return "\n\n".join(parts) or NOTHING


def pictures() -> dict[Path, str]:
    """Every picture that is made from a committed decision, and where it lies."""
    made = {DRAWN / f"{machine}-{name}.svg": draw(result) for machine, result in decisions().items()
            for name, draw in PICTURES.items()}
    made |= {DRAWN / f"{path.stem}-roofline.svg": draw_roofline(json.loads(path.read_bytes()))
             for path in sorted(ROOFLINES.glob("*.json"))}
    return {path: svg for path, svg in made.items() if svg is not None}


def stall(path: Path = STALL) -> str:
    """Stock locust beside ours on one stalling server."""
    if not path.exists():
        return "Not measured yet; `python -m benchmarks.stall --publish` does it in two minutes."
    return stall_table(json.loads(path.read_bytes()))


def reproduction(path: Path = REPRODUCTION) -> str:
    """What each report says beside what its recipe gave here. The rows are finished by `python -m training results`."""
    table = json.loads(path.read_bytes())
    columns, right = [name for name in table["columns"] if name != "why"], set(table["right_aligned"])
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join("---:" if c in right else "---" for c in columns) + "|"]
    lines += ["| " + " | ".join(row[name] or "–" for name in columns) + " |" for row in table["rows"]]
    return "\n".join([_reproduced(table["rows"]), "", "<details><summary>Every recipe</summary>", "", *lines, "",
                      "</details>"])


def _reproduced(rows: list[dict[str, str]]) -> str:
    """How many of the reports' figures came out again, before the long table."""
    verdicts = Counter(row["verdict"].split(":")[0] for row in rows if row["reported"] != "-")
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    return f"Of {verdicts.total()} networks with a reported figure: **{told}**."


def peers(folder: Path = PEERS) -> str:
    """Ours beside other servers, by machine."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(f"{goals_table(result)}\n\n{peers_table(result)}" for result in found) or (
        "Nothing is committed yet; `python -m benchmarks.peers --publish` takes half an hour."
    )


def goals(folder: Path = PEERS) -> str:
    """Only what was to be reached, and whether it was."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(map(goals_table, found)) or peers(folder)


def soak(folder: Path = SOAKS) -> str:
    """What the service went through."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"), reverse=True)]
    if not found:
        return "Nothing is committed yet; `python -m benchmarks.soak --minutes 10 --publish` does it."
    return "\n\n".join([soak_table(found), *map(soak_caption, found)])


def rolling(folder: Path = ROLLING) -> str:
    """What became of the requests while servers were replaced."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(map(rolling_table, found)) or (
        "Nothing is committed yet; `python -m benchmarks.rolling --publish` does it in two minutes."
    )


def yielding(folder: Path = YIELDING) -> str:
    """What a job costs the requests beside it, by machine."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(map(yielding_table, found)) or (
        "Not measured yet; `python -m benchmarks.yielding --publish` does it in two minutes."
    )


def crosscheck(folder: Path = CHECKED) -> str:
    """Whether LoadGen and ours agreed, by machine and model."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    told = [[f"- {sentence}" for sentence in crosscheck_sentences(result)] for result in found]
    return "\n\n".join(map("\n".join, told)) or (
        "Nothing is committed yet; `python -m benchmarks crosscheck fm-fast --publish` does it in five minutes."
    )


def roofline(folder: Path = ROOFLINES) -> str:
    """How far each model is from what a machine can do, by machine, with a picture."""
    found = {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    return "\n\n".join(f"{roofline_table(result)}\n\n![Operations per second against operations per byte]"
                       f"(pictures/{machine}-roofline.svg)" for machine, result in found.items()) or (
        "Not measured yet; `python -m benchmarks roofline --publish` does it in two minutes."
    )


def devices(folder: Path = DEVICES) -> str:
    """What a call takes on the CPU and on a GPU, by machine."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))]
    return "\n\n".join(map(devices_table, found)) or (
        "Not measured yet; `python -m benchmarks devices --publish` does it in minutes, on a machine with a GPU."
    )


def quantised(folder: Path = INT8) -> str:
    """What quantising was tried on, by machine: what it cost, what it gained, and why it was refused."""
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*/*.json"))]
    return int8_table(found) or "Nothing is recorded yet; `python -m export quantize NAME --publish` does it."


BLOCKS: dict[str, Callable[[], str]] = {
    "models": models_table,
    "comparison": comparison,
    "headline": headline,
    "decision": decision,
    "decision-curves": curves,
    "stall": stall,
    "peers": peers,
    "goals": goals,
    "soak": soak,
    "rolling": rolling,
    "yielding": yielding,
    "crosscheck": crosscheck,
    "roofline": roofline,
    "devices": devices,
    "quantised": quantised,
    "reproduction": reproduction,
    "scale-out": scale,
    "settings": settings_table,
}


def generate(text: str) -> str:
    """`text` with every marked part made anew; KeyError for a name that BLOCKS does not know."""
    return MARKED.sub(lambda found: f"{found['open']}{BLOCKS[found['name']]().strip()}\n{found['close']}", text)


def main(arguments: list[str] | None = None) -> int:
    """Write README, docs and pictures, or with --check only say whether they are current."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when any of them is stale")
    options = parser.parse_args(arguments)
    current = {path: generate(path.read_text()) for path in (README, *sorted(DOCS.glob("*.md")))} | pictures()
    current[board.OUTPUT] = board.text(board.boards(board.committed()))
    stale = [path for path, text in current.items() if not path.exists() or path.read_text() != text]
    if options.check:
        return int(bool(stale))
    DRAWN.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(current[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
