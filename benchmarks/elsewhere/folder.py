"""A measurement on disk: `benchmarks/runs/capacity-<stamp>/`.

    asked.json                  question, what the server said of its model, machine; written first
    calibration.json            what the generator can do here
    payloads-*.npz              the bodies
    loads/<name>.npz, .json     raw rows of every load, with its account, written last
    capacity.json, .md, .html   derived
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison.run import RunError, go_on, stored_facts
from benchmarks.elsewhere.question import Question
from benchmarks.load.stored import Load, read_loads
from service.card import write_atomically

ASKED = "asked.json"


class CapacityFolder:
    """The folder of one measurement."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = stored_facts(folder / ASKED, "capacity")

    @property
    def question(self) -> Question:
        """What was asked."""
        stored: Any = {key: tuple(value) if isinstance(value, list) else value
                       for key, value in self.facts["question"].items()}
        try:
            return Question(**stored)
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.folder} asks for what this release does not answer: {error}") from None

    @property
    def place(self) -> Path:
        """Where the loads lie."""
        return self.folder / "loads"

    def loads(self) -> dict[str, Load]:
        """The complete ones by name."""
        return read_loads(self.place)

    def note(self, **facts: Any) -> None:
        """Add facts to asked.json."""
        self.facts |= facts
        write_atomically(self.folder / ASKED, json.dumps(self.facts, indent=2).encode() + b"\n")


def open_folder(folder: Path, question: Question, **facts: Any) -> CapacityFolder:
    """A new measurement in `folder`, or the one that is there if it asks the same of the same model from here."""
    wanted = json.loads(json.dumps({"schema_version": 1, "question": asdict(question), **facts}))
    if (folder / ASKED).exists():
        known = CapacityFolder(folder)
        had, want = json.loads(json.dumps(asdict(known.question))), wanted["question"]  # had, with newer defaults
        if changed := sorted(name for name in {*had, *want} if had.get(name) != want.get(name)):
            raise RunError(f"{folder} was begun with another {', '.join(changed)}; give the same to continue it, or "
                           "choose another --output")
        if known.facts["served"] != wanted["served"]:
            raise RunError(f"{folder} was begun when the server said otherwise of {known.facts['model']}: it serves "
                           "another version, or other files; choose another --output")
        go_on(known, wanted["machine"], complete=bool(known.facts.get("finished")))
        return known
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no capacity; choose another --output")
    (folder / "loads").mkdir()
    write_atomically(folder / ASKED, json.dumps(wanted, indent=2).encode() + b"\n")
    return CapacityFolder(folder)
