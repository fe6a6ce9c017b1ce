"""What result.json says about a complete run: its figures, and all that is needed to judge or repeat them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from training.recipe import Recipe
from training.scoring import Score


def assemble(
    recipe: Recipe,
    *,
    seed: int,
    protocol: str,
    history: Sequence[Mapping[str, Any]],
    sessions: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Score],
    parameters: int,
    images: int,
    data_sha256: Mapping[str, str],
    weights: Mapping[str, Tensor],
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The result of a run on `images` training images, ready for JSON.

    `scores` are the final weights' on `train`, and on `held-out` and `test` as far as the protocol has them.
    `data` are the facts of own data.
    `sessions` are the processes that worked on the run; the machine at the top level is the last one's.
    """
    split = recipe.protocol(protocol)
    last, test = sessions[-1], scores[split.tests_on]
    watched_test = sum(line["watched"]["split"] == "test" for line in history)
    return {
        "name": recipe.name,
        "fingerprint": recipe.fingerprint,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "protocol": protocol,
        "split": asdict(split),
        "epochs": len(history),
        "parameters": parameters,
        "figure": _figure(history, split.picks, test.accuracy),
        "train": scores["train"].to_dict(),
        "validation": scores["held-out"].to_dict() if "held-out" in scores else None,
        "test": {"split": split.tests_on, **test.to_dict()},
        "test_split_scored": watched_test + ("test" in scores),
        "wall_s": sum(session["wall_s"] for session in sessions),
        "images_per_s": len(history) * images / sum(line["train_s"] for line in history),
        "sessions": list(sessions),
        "execution": last["execution"],
        "probe": next((found for session in sessions if (found := session.get("probe"))), None),
        "machine": last["machine"],
        "versions": last["versions"],
        "commit": last["commit"],
        "data_sha256": dict(data_sha256),
        **({"data": dict(data)} if data else {}),
        "weights_sha256": _digest(weights),
    }


def _figure(history: Sequence[Mapping[str, Any]], picks: str, final: float) -> dict[str, Any]:
    """The number that stands for the run: the final score, or the best epoch's where the report chose that."""
    if picks == "last":
        return {"rule": "last epoch", "epoch": len(history), "accuracy": final}
    best = max(history, key=lambda line: line["watched"]["accuracy"])
    return {"rule": "best epoch", "epoch": best["epoch"], "accuracy": best["watched"]["accuracy"]}


def _digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and bytes of all tensors: equal digests are equal networks, whatever the file's packing."""
    digest = hashlib.sha256()
    for name, value in weights.items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
