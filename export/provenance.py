"""Where an artifact comes from: the run that trained it and the software that exported it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from service.card import sha256_of
from training.provenance import commit
from training.runs import Run

CARRIED = ("epochs", "wall_s", "images_per_s", "machine", "versions", "commit", "data_sha256", "data")
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
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "numpy")},
    }
