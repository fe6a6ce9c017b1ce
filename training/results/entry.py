"""What the results keep of one finished run: its figures, its curves, and where it was made."""

from __future__ import annotations

from typing import Any

from training.runs import Run


def entry(run: Run) -> dict[str, Any]:
    """One seed's entry. `confusion` is row by row, [true * classes + answered]; `curves` have one number per epoch."""
    result = run.result
    return {
        "seed": run.seed,
        "figure": result["figure"],
        "train": _brief(result["train"]),
        "validation": _brief(result["validation"]),
        "test": {"split": result["test"]["split"], **_brief(result["test"])},
        "test_split_scored": result["test_split_scored"],
        "epochs": result["epochs"],
        "images": result["train"]["count"],
        "wall_s": round(result["wall_s"], 1),
        "images_per_s": round(result["images_per_s"], 1),
        "last_session": result["sessions"][-1]["started"],
        "execution": result["execution"],
        "environment": {"machine": result["machine"], "versions": result["versions"]},
        "commit": result["commit"],
        "weights_sha256": result["weights_sha256"],
        "curves": {
            f"{side}_{what}": [round(line[side][what], 5) for line in run.history]
            for side in ("train", "watched")
            for what in ("loss", "accuracy")
        },
        "confusion": {side: _flat(result[side]["confusion"]) for side in ("train", "test")},
    }


def _brief(score: dict[str, Any] | None) -> dict[str, Any]:
    """Count, correct, accuracy and loss; empty where the protocol has no such images."""
    if score is None:
        return {}
    return {"count": score["count"], "correct": score["correct"], "accuracy": round(score["accuracy"], 6),
            "loss": round(score["loss"], 6)}


def _flat(matrix: list[list[int]]) -> list[int]:
    return [count for row in matrix for count in row]
