"""A run on disk: `benchmarks/runs/<stamp>/`, everything that was measured and nothing that was computed from it.

    run.json                    settings, machine, contenders; written first
    micro.json                  pytest-benchmark's own file, with every timing
    models/<name>@<version>/    card.json, and per load <load>.npz (raw rows) and <load>.json (written last)
    result.json, report.html    derived; `python -m benchmarks report` makes them again
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.settings import Settings
from benchmarks.load.stored import Load, read_loads
from benchmarks.machine.fingerprint import differences
from service.card import CARD_FILE, ModelCard, write_atomically


class RunError(ValueError):
    """A folder cannot be continued or read; the message says why and what to do."""


def stored_facts(path: Path, kind: str) -> dict[str, Any]:
    """What a folder's file says of the run, decision or contest in it; RunError where it is not there or damaged."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path.parent} holds no {kind} ({path.name} is missing); see benchmarks/runs/") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is unreadable ({error}); choose another --output, or delete its folder") from None
    return found


class Kept(Protocol):
    """A folder of measurements with facts about them, which may grow."""

    folder: Path
    facts: dict[str, Any]

    def note(self, **facts: Any) -> None:
        """Add facts."""


def go_on(known: Kept, machine: dict[str, Any], *, complete: bool) -> None:
    """Let what is missing of `known` be measured by `machine`, whose commit is noted when it is another one.

    Raises RunError when the machine is another one: figures of two machines do not belong in one table.
    """
    begun = known.facts["machine"]
    if moved := differences(begun, machine):
        raise RunError(f"{known.folder} was begun on another machine ({'; '.join(moved)}); choose another --output")
    commits = [begun["commit"], *begun.get("then", [])]
    if not complete and machine["commit"] not in commits:
        known.note(machine=begun | {"then": [*commits[1:], machine["commit"]]})


class Run:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = stored_facts(folder / "run.json", "run")

    @property
    def settings(self) -> Settings:
        """What was asked for."""
        raw: dict[str, Any] = self.facts["settings"]
        stored: Any = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
        return Settings(**stored)

    @property
    def micro(self) -> Path:
        """Where pytest-benchmark's file lies."""
        return self.folder / "micro.json"

    def model_folder(self, model: str) -> Path:
        """Where everything about one model lies."""
        return self.folder / "models" / model

    def reference(self, model: str) -> Path:
        """Where a model's own answers lie, without any service in between."""
        return self.model_folder(model) / "reference.npz"

    def card(self, model: str) -> ModelCard:
        """The card of a model as it was when measured."""
        return ModelCard.model_validate_json((self.model_folder(model) / CARD_FILE).read_bytes())

    def loads(self, model: str) -> list[Load]:
        """The complete loads of a model, in the order they were measured."""
        found = read_loads(self.model_folder(model)).values()
        return sorted(found, key=lambda load: load.generator["finished_at"])

    def note(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.facts |= facts
        write_atomically(self.folder / "run.json", json.dumps(self.facts, indent=2).encode() + b"\n")


def open_run(folder: Path, settings: Settings, contenders: Iterable[Contender], **facts: Any) -> Run:
    """A new run in `folder`, or the one that is there if it asks for the same on the same machine.

    Raises RunError when the folder holds something else.
    """
    contenders = list(contenders)
    wanted = json.loads(json.dumps({"settings": asdict(settings), **facts,
                                    "contenders": {c.id: _hashes(c.card) for c in contenders}}))
    if (folder / "run.json").exists():
        run = Run(folder)
        _check_same(run, wanted)
        return run
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no run; choose another --output")
    for contender in contenders:
        place = folder / "models" / contender.id
        place.mkdir(parents=True)
        shutil.copyfile(contender.folder / CARD_FILE, place / CARD_FILE)
    write_atomically(folder / "run.json", json.dumps({"schema_version": 1, **wanted}, indent=2).encode() + b"\n")
    return Run(folder)


def _check_same(run: Run, wanted: dict[str, Any]) -> None:
    for key in ("settings", "contenders"):
        had, want = run.facts[key], wanted[key]
        if changed := sorted(name for name in {*had, *want} if had.get(name) != want.get(name)):
            raise RunError(f"{run.folder} was begun with other {key} ({', '.join(changed)}); "
                           "give the same ones to continue it, or choose another --output")
    go_on(run, wanted["machine"], complete=bool(run.facts.get("finished")))


def _hashes(card: ModelCard) -> dict[str, str]:
    return {file.format: file.sha256 for file in card.files}
