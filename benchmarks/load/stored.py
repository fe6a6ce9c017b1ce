"""One load as it lies on disk: its plan, its raw rows, and what generator and server used meanwhile."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.load.plan import Plan
from benchmarks.load.rows import Rows, read_rows
from service.card import write_atomically


@dataclass(frozen=True)
class Load:
    """Everything measured in one load; no statistics yet."""

    plan: Plan
    rows: Rows
    generator: dict[str, Any]   # engine, cpu samples (1.0 is one core), problems, cores
    server: dict[str, Any]      # cpu (1.0 is one core), rss_bytes; None where not sampled

    @property
    def begins(self) -> float:
        """Seconds after which requests count: the end of the warm-up, wherever that turned out to be."""
        warmup: dict[str, Any] = self.generator.get("warmup", {})
        return float(warmup.get("seconds", self.plan.warmup))

    @property
    def ends(self) -> float:
        """Seconds at which sending was to end."""
        return self.begins + self.plan.seconds


def rows_path(folder: Path, name: str) -> Path:
    """Where the rows of a load lie."""
    return folder / f"{name}.npz"


def facts_path(folder: Path, name: str) -> Path:
    """Where a load's account lies; written last, so its presence means the load is complete."""
    return folder / f"{name}.json"


def read_load(folder: Path, name: str) -> Load:
    """Read a complete load."""
    facts = json.loads(facts_path(folder, name).read_text())
    return Load(Plan(**facts["plan"]), read_rows(rows_path(folder, name)), facts["generator"], facts["server"])


def read_loads(folder: Path) -> dict[str, Load]:
    """The complete loads of a folder by name."""
    names = [path.stem for path in folder.glob("*.npz") if facts_path(folder, path.stem).exists()]
    return {name: read_load(folder, name) for name in sorted(names)}


def write_facts(folder: Path, plan: Plan, *, generator: dict[str, Any], server: dict[str, Any]) -> None:
    """Declare a load complete; call it when the rows are there."""
    facts = {"plan": asdict(plan), "generator": generator, "server": server}
    write_atomically(facts_path(folder, plan.name), json.dumps(facts, indent=2).encode())


def find_load(folder: Path, plan: Plan) -> Load | None:
    """The load that was already measured with exactly this plan, if any."""
    try:
        load = read_load(folder, plan.name)
    except FileNotFoundError:
        return None
    return load if load.plan == plan else None
