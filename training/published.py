"""Exported models as teachers: a network whose run lies elsewhere can still be asked, as long as its ONNX file is here.

    find_published("cf-fast")     -> every version under the model roots, the newest first

The card says which weights the file was made from, so that one teacher can be told from another; an imported model goes
by the hash of its file. Its answers differ from those of its run in the last digits, so the two count as two teachers.
Training may not import the service, so what is needed of a card is read here. Torch-free.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets import facts_of
from training.places import model_roots


class Unfit(ValueError):  # noqa: N818 - reads as what it says
    """A model cannot teach what it is asked to. The message says what does not fit."""


def check_fit(who: object, dataset: str, *, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    """Unfit unless whoever sees images of `shape` (H, W, C) and knows `classes` can say something about `dataset`."""
    facts = facts_of(dataset)
    if shape != facts.shape:
        raise Unfit(f"{who} takes images of {shape} (height, width, channels), {dataset} has {facts.shape}")
    if classes != facts.classes:
        raise Unfit(f"{who} knows other classes than {dataset}, or has them in another order")


@dataclass(frozen=True)
class Published:
    """One version of a model with an ONNX file."""

    name: str
    version: int
    graph: Path
    sha256: str           # of the graph, as the card has it
    card: dict[str, Any]

    @property
    def label(self) -> str:
        """The model in words."""
        return f"{self.name}@{self.version}, {self.graph}"

    @property
    def record(self) -> dict[str, object]:
        """Whose answers these are, in the words in which a run is told as a teacher."""
        run = self.card.get("training") or {}
        validation = run.get("validation") or {}
        return {
            "recipe": self.name, "seed": run.get("seed", 0), "validation_accuracy": validation.get("accuracy", -1.0),
            "weights_sha256": run.get("weights_sha256") or self.sha256,
        }

    def check(self, dataset: str) -> None:
        """Unfit unless the model takes the images of `dataset`, knows its classes, and its file is whole."""
        seen = self.card["input"]
        check_fit(self.graph, dataset, shape=(seen["height"], seen["width"], seen["channels"]),
                  classes=tuple(self.card["classes"]))
        if hashlib.sha256(self.graph.read_bytes()).hexdigest() != self.sha256:
            raise Unfit(f"{self.graph} is not the file that its card describes; export the model again")

    def opened(self, *, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        """From images (N, H, W, C) to probabilities (N, classes), on the CPU. Needs onnxruntime."""
        import onnxruntime  # not needed for training as such

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(str(self.graph), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda images: session.run(None, {name: images})[0].astype(np.float32, copy=False)


def find_published(name: str) -> list[Published]:
    """All versions of model `name` that have an ONNX file, the newest first; of equal ones, the first root's."""
    found: dict[int, Published] = {}
    for root in model_roots():
        for path in root.glob(f"{name}/*/card.json"):
            try:
                version, card = int(path.parent.name), json.loads(path.read_bytes())
                file = next((file for file in card["files"] if file["format"] == "onnx"), None)
            except (OSError, ValueError, KeyError, TypeError):
                continue  # whatever it is, it was not exported
            if file is not None:
                found.setdefault(version, Published(name, version, path.parent / file["path"], file["sha256"], card))
    return [found[version] for version in sorted(found, reverse=True)]
