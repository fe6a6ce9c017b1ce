"""Where an artifact comes from: the run that trained it and the software that exported it."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.card import sha256_of
from training.runs import Run

ROOT = Path(__file__).parent.parent
CARRIED = ("epochs", "wall_s", "images_per_s", "machine", "versions", "commit", "data_sha256")
SPLITS = ("validation", "test")
FIGURES = ("split", "count", "correct", "accuracy", "loss")  # the confusion matrices stay with the run


def training_facts(run: Run) -> dict[str, Any]:
    """The run's own record, as far as a card carries it."""
    carried = {key: run.result[key] for key in CARRIED if key in run.result}
    for split in SPLITS:
        if figures := run.result.get(split):
            carried[split] = {key: figures[key] for key in FIGURES if key in figures}
    return {
        "seed": run.seed,
        "protocol": run.protocol,
        "fingerprint": run.recipe.fingerprint,
        "weights_sha256": sha256_of(run.weights),
        **carried,
    }


def made_by() -> dict[str, Any]:
    """Date (UTC), commit and versions of the export."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "numpy")},
    }


def _commit() -> str | None:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - whichever git the user has
        cwd=ROOT, capture_output=True, text=True, check=False,
    )
    return asked.stdout.strip() or None
