"""The step times of recipes that nobody has run here yet, measured and kept: why a row of the table is empty."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import provenance
from training.atomic import write_atomically
from training.datasets import DATASETS
from training.execution import choose
from training.probe import probe
from training.recipe import Recipe
from training.results.durations import PROBES, read_probes


def measure(recipe: Recipe) -> dict[str, Any]:
    """Probe `recipe` on this machine; `seconds` is what all its steps take, without scoring. MissingDataset."""
    found = probe(recipe, choose(recipe))
    step_ms = found.record["candidates"][0]["step_ms"] / found.record["speedup"]  # of the execution that was chosen
    images = DATASETS[recipe.dataset].sizes["train"] - recipe.validation
    steps = recipe.epochs * math.ceil(recipe.fraction * images / recipe.batch_size)
    return {
        "recipe": recipe.name,
        "fingerprint": recipe.fingerprint,
        "dataset": recipe.dataset,
        "device": found.execution.device,
        "execution": found.record["chosen"],
        "step_ms": round(step_ms, 2),
        "images_per_step": found.record["images_per_step"],
        "steps": steps,
        "seconds": round(steps * step_ms / 1000),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
    }


def keep(folder: Path, measured: Sequence[dict[str, Any]]) -> Path:
    """Add `measured` to the file in `folder`, in the place of what it had of the same recipes."""
    names = {entry["recipe"] for entry in measured}
    probes = [entry for entry in read_probes(folder) if entry["recipe"] not in names] + list(measured)
    probes.sort(key=lambda entry: str(entry["recipe"]))
    text = json.dumps({"schema": 1, "probes": probes}, indent=1)
    write_atomically(folder / PROBES, text.encode() + b"\n")
    return folder / PROBES
