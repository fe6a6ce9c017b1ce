"""A decision on disk: `benchmarks/runs/weigh-<stamp>/`, raw rows per configuration and what is derived from them.

    weigh.json                       wish, machine, configurations; written first
    calibration.json                 what the generator can do here
    micro-<runtime>-t<n>-<device>.json  the bare runtimes, with every timing
    configurations/<id>/             rows of every load; pass-<n>.json is written when a pass is complete
    decision.json, .md, .html        derived
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.run import RunError, go_on, stored_facts
from benchmarks.decision.configurations import Configuration
from benchmarks.decision.wish import Wish
from benchmarks.load.stored import Load, read_loads
from service.card import CARD_FILE, ModelCard, write_atomically

# Of a wish: what decides and how often, not what is measured.
RECONSIDERED = ("objective", "price_per_hour", "gpu_price_per_hour", "passes", "refine")


class DecisionFolder:
    """The folder of one decision."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = stored_facts(folder / "weigh.json", "decision")

    @property
    def wish(self) -> Wish:
        """What was asked."""
        stored: Any = {key: tuple(value) if isinstance(value, list) else value
                       for key, value in self.facts["wish"].items()}
        try:
            return Wish(**stored)
        except (TypeError, ValueError) as error:
            raise RunError(f"{self.folder} asks for what this release does not answer: {error}") from None

    @property
    def configurations(self) -> dict[Configuration, str | None]:
        """Everything in the matrix, and why some of it cannot be tried here; what was refined stands behind it."""
        matrix = {Configuration(**stored["is"]): stored["unavailable"] for stored in self.facts["configurations"]}
        return matrix | dict.fromkeys(Configuration(**stored) for stored in self._refined["configurations"])

    @property
    def refined(self) -> list[str]:
        """The ids of the configurations that got every axis, best first."""
        return list(self._refined["best"])

    @property
    def refined_for(self) -> int:
        """How many were to be refined when that was last decided."""
        return int(self._refined["asked"])

    def refine(self, best: Iterable[str], more: Iterable[Configuration]) -> None:
        """Add what the best get beyond the matrix."""
        added = dict.fromkeys(one for one in more if one not in self.configurations)
        for one in added:
            self.place(one).mkdir(parents=True, exist_ok=True)
        self.note(refined={
            "asked": self.wish.refine, "best": list(dict.fromkeys([*self.refined, *best])),
            "configurations": [*self._refined["configurations"], *map(asdict, added)],
        })

    @property
    def _refined(self) -> dict[str, Any]:
        found: dict[str, Any] = self.facts.get("refined") or {"asked": 0, "best": [], "configurations": []}
        return found

    def place(self, one: Configuration) -> Path:
        """Where everything about a configuration lies."""
        return self.folder / "configurations" / one.id

    def card(self, model: str) -> ModelCard:
        """The card of a model as it was when measured."""
        return ModelCard.model_validate_json((self.folder / "cards" / f"{model}.json").read_bytes())

    def reference(self, model: str) -> Path:
        """Where a model's own answers lie, without any service in between."""
        return self.folder / f"reference-{model}.npz"

    def micro(self, runtime: str, threads: int, device: str) -> Path:
        """Where the timings of a bare runtime lie."""
        return self.folder / f"micro-{runtime}-t{threads}-{device}.json"

    def loads(self, one: Configuration) -> dict[str, Load]:
        """The complete loads of a configuration by name."""
        return read_loads(self.place(one))

    def done(self, one: Configuration, number: int | None = None) -> bool:
        """Whether a pass over it (from 1) is complete; without a number, whether the last one is."""
        return (self.place(one) / f"pass-{number or self.wish.passes}.json").exists()

    def finish(self, one: Configuration, number: int, **facts: Any) -> None:
        """Declare a pass over a configuration complete."""
        content = json.dumps({"pass": number, **facts}).encode() + b"\n"
        write_atomically(self.place(one) / f"pass-{number}.json", content)

    def passes(self, one: Configuration) -> list[dict[str, Any]]:
        """What was noted of the complete passes over a configuration, first to last."""
        return [json.loads(path.read_text()) for path in sorted(self.place(one).glob("pass-*.json"))]

    def energy(self, one: Configuration, load: str) -> dict[str, Any] | None:
        """What a load used, as `benchmarks.machine.energy` tells it."""
        path = self.place(one) / f"{load}.energy.json"
        return json.loads(path.read_text()) if path.exists() else None

    def note(self, **facts: Any) -> None:
        """Add facts to weigh.json."""
        self.facts |= facts
        write_atomically(self.folder / "weigh.json", json.dumps(self.facts, indent=2).encode() + b"\n")


def open_folder(
    folder: Path, wish: Wish, configurations: Mapping[Configuration, str | None], contenders: list[Contender],
    **facts: Any,
) -> DecisionFolder:
    """A new decision in `folder`, or the one that is there if it asks for the same on the same machine.

    With another objective or price the measurements that are there are decided upon anew; with more passes than
    before, or more of the best refined, those that are missing are added to them.
    """
    listed = [{"is": asdict(one), "unavailable": why} for one, why in configurations.items()]
    hashes = {c.id: {file.format: file.sha256 for file in c.card.files} for c in contenders}
    wanted = json.loads(json.dumps({"wish": asdict(wish), "configurations": listed, "files": hashes, **facts}))
    if (folder / "weigh.json").exists():
        known = DecisionFolder(folder)
        had = json.loads(json.dumps({"wish": asdict(known.wish)}))  # with the defaults of what it did not know yet
        before, now = _to_measure(known.facts | had), _to_measure(wanted)
        if changed := [key for key, value in now.items() if before[key] != value]:
            raise RunError(f"{folder} was begun with other {' and '.join(changed)}; give the same to continue it, or "
                           "choose another --output")
        more = {"passes": wish.passes - known.wish.passes, "refine": wish.refine - known.wish.refine}
        for option, difference in more.items():
            if difference < 0:
                had_then = getattr(known.wish, option)
                raise RunError(f"{folder} was begun with --{option} {had_then}; give as many or more")
        go_on(known, wanted["machine"], complete=bool(known.facts.get("finished")) and not any(more.values()))
        if known.facts["wish"] != wanted["wish"]:
            known.note(wish=wanted["wish"], command=wanted["command"])
        return known
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no decision; choose another --output")
    (folder / "cards").mkdir()
    for contender in contenders:
        (folder / "cards" / f"{contender.id}.json").write_bytes((contender.folder / CARD_FILE).read_bytes())
    for one in configurations:
        (folder / "configurations" / one.id).mkdir(parents=True)
    write_atomically(folder / "weigh.json", json.dumps({"schema_version": 1, **wanted}, indent=2).encode() + b"\n")
    return DecisionFolder(folder)


def _to_measure(facts: dict[str, Any]) -> dict[str, Any]:
    """What of a decision's facts its measurements depend on."""
    wish = {key: value for key, value in facts["wish"].items() if key not in RECONSIDERED}
    return {"wish": wish, "configurations": facts["configurations"], "files": facts["files"]}
