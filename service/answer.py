"""The answer of /predict, without a pydantic model: plain dictionaries, which orjson writes in a tenth of the time.

`Face` makes exactly what `wire.PredictAnswer` describes; a property test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.images import Decoded
from service.problems import Problem
from service.shelf import Opened

Outcome = Decoded | Problem
FEW = 4       # up to so many images and so many classes, sorting in Python is quicker than numpy's fixed cost
CLASSES = 64


class Face:
    """What one opened model shows in every answer."""

    __slots__ = ("_labels", "_told", "classes", "header", "model", "opened", "runtime")

    def __init__(self, opened: Opened) -> None:
        card = opened.card
        self.opened = opened
        self.model, self.runtime = card.id, opened.run.name
        self.header = (b"x-weighbridge-model", self.model.encode())
        self.classes = len(card.classes)
        self._labels = card.classes
        self._told = {"model": card.name, "version": card.version, "runtime": self.runtime, "device": opened.run.device}

    def body(
        self, probabilities: NDArray[np.float32], outcomes: Sequence[Outcome] | None, top_k: int,
        route: str | None = None, models: Sequence[str] | None = None,
    ) -> bytes:
        """The answer: a prediction per row, or, given `outcomes`, one per Decoded among them, in their order.

        `route` was asked for by name; `models` says of each row, where they differ, which model answered.
        """
        found = self._predictions(probabilities, top_k)
        if models is not None:
            found = [{**each, "model": model} for each, model in zip(found, models, strict=True)]
        if outcomes is not None:
            given = iter(found)
            found = [
                _scaled(next(given), outcome.original) if isinstance(outcome, Decoded) else _failed(outcome)
                for outcome in outcomes
            ]
        told = self._told if route is None else {**self._told, "route": route}
        return orjson.dumps({**told, "predictions": found})

    def _predictions(self, probabilities: NDArray[np.float32], top_k: int) -> list[dict[str, Any]]:
        labels = self._labels
        found = []
        for order, shares in _ordered(probabilities, top_k):
            if not shares[0] <= 1.0:  # a float32 softmax may end at 1 + 1e-7
                if math.isnan(shares[0]):
                    raise ValueError(f"{self.model} answered NaN")
                shares = [min(each, 1.0) for each in shares]
            top = [
                {"label": labels[index], "index": index, "probability": share}
                for index, share in zip(order, shares, strict=True)
            ]
            found.append({"status": 200, **top[0], "top": top, "resized": False})
        return found


def _ordered(probabilities: NDArray[np.float32], top_k: int) -> Iterable[tuple[list[int], list[float]]]:
    """Per row the indices of the `top_k` highest in falling order, the first of equals first, and their values."""
    count, classes = probabilities.shape
    if count <= FEW and classes <= CLASSES:
        rows = probabilities.tolist()
        orders = [sorted(range(classes), key=row.__getitem__, reverse=True)[:top_k] for row in rows]
        return zip(orders, [[row[index] for index in order] for row, order in zip(rows, orders, strict=True)],
                   strict=True)
    found = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return zip(found.tolist(), probabilities[np.arange(count)[:, np.newaxis], found].tolist(), strict=True)


def _scaled(prediction: dict[str, Any], original: tuple[int, int] | None) -> dict[str, Any]:
    if original is not None:
        prediction["resized"] = True
        prediction["original_size"] = {"width": original[0], "height": original[1]}
    return prediction


def _failed(problem: Problem) -> dict[str, Any]:
    return {"status": problem.status, "error": problem.document().model_dump(mode="json", exclude_none=True)}
