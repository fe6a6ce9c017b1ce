"""The result of a roofline: JSON for whoever asks, and what of it is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.comparison.publish import RESULTS
from benchmarks.comparison.run import RunError
from benchmarks.machine.fingerprint import slug
from benchmarks.roofline.measure import RESTLESS
from service.card import write_atomically

Result = dict[str, Any]
PUBLISHED = RESULTS / "roofline"


def as_result(found: dict[str, Any], machine: dict[str, Any], command: str) -> Result:
    """JSON-ready, with where and when."""
    return {"schema_version": 1, "created": machine["at"], "command": command, "machine": machine, **found}


def write_result(result: Result, path: Path) -> Path:
    """Store it."""
    return write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")


def publish(result: Result, folder: Path = PUBLISHED) -> Path:
    """Store it as `<machine>.json`, to be committed; RunError where the machine was too restless for it."""
    if result["restless"] > RESTLESS:
        raise RunError(
            f"not published, because the machine was restless: the slowest tenth of a matrix product took "
            f"{result['restless']:.2f} of the quickest (at most {RESTLESS}); run it again when nothing else runs"
        )
    if not result["rows"]:
        raise RunError("not published, because nothing was measured")
    return write_result(result, folder / f"{slug(result['machine'])}.json")


def published_for(machine: dict[str, Any], folder: Path = PUBLISHED) -> Result | None:
    """What is committed for a machine of this kind; None where nothing is."""
    path = folder / f"{slug(machine)}.json"
    if not path.exists():
        return None
    result: Result = json.loads(path.read_bytes())
    return result
