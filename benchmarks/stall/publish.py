"""The committed result of the stall, from which the documents' table is made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.comparison.publish import RESULTS
from benchmarks.stall.measure import Stalling
from service.card import write_atomically

STALL = RESULTS / "stall" / "stall.json"


def as_result(asked: Stalling, rows: list[dict[str, Any]], machine: dict[str, Any]) -> dict[str, Any]:
    """JSON-ready, with where and when."""
    return {"schema_version": 1, "created": machine["at"], "machine": machine, "asked": asdict(asked), "rows": rows}


def publish(result: dict[str, Any], path: Path = STALL) -> Path:
    """Store it, to be committed."""
    return write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")
