"""The toy material of tests/toy_training.py, and finished runs that nobody trained, as fixtures of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_training import data_root, execution, idx_bytes, recipe, toy_data, write_fashion

from training.recipe import Recipe
from training.runs import run_folder

__all__ = ["data_root", "execution", "idx_bytes", "recipe", "toy_data", "write_fashion"]

CONFUSION = [[901 if row == column else 11 for column in range(10)] for row in range(10)]


def _store(
    root: Path, recipe: Recipe, seed: int, figure: float, *, protocol: str = "report", last: float | None = None,
    device: str = "cpu", cpu: str = "one",
) -> Path:
    """A finished run with given figures."""
    folder = run_folder(recipe, seed=seed, protocol=protocol, root=root)
    folder.mkdir(parents=True, exist_ok=True)
    score = {"count": 10_000, "correct": 9000, "accuracy": last or figure, "loss": 0.3, "confusion": CONFUSION}
    result: dict[str, Any] = {
        "recipe": recipe.to_dict(), "seed": seed, "protocol": protocol,
        "figure": {"rule": "last epoch", "epoch": 2, "accuracy": figure},
        "train": score, "validation": None, "test": {"split": "test", **score}, "test_split_scored": 1,
        "epochs": recipe.epochs, "wall_s": 60.0, "images_per_s": 1000.0,
        "sessions": [{"started": "2026-01-01T00:00:00Z"}],
        "execution": {"device": device}, "machine": {"cpu": cpu}, "versions": {"torch": "2"}, "commit": "abc",
        "weights_sha256": f"{seed}",
    }
    side = {"loss": 0.5, "accuracy": 0.8}
    lines = [{"epoch": epoch, "train": side, "watched": side} for epoch in range(1, recipe.epochs + 1)]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "result.json").write_text(json.dumps(result))
    return folder


@pytest.fixture
def store() -> Callable[..., Path]:
    """Writes a finished run with figures of one's choice: what results and reports read."""
    return _store
