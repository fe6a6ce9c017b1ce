"""The answer of /predict as bytes, without a pydantic model: what does not change between two requests is made once.

`Face` writes exactly what `wire.PredictAnswer` describes; a property test compares the two.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.images import Decoded
from service.problems import Problem
from service.shelf import Opened

Outcome = Decoded | Problem
FEW = 4         # up to so many images, sorting in Python is quicker than numpy's fixed cost
CLASSES = 64    # and up to so many classes


class Face:
    """What one opened model shows in every answer."""

    __slots__ = ("_head", "_labels", "_starts", "classes", "header", "model", "opened", "runtime")

    def __init__(self, opened: Opened) -> None:
        card = opened.card
        self.opened = opened
        self.model, self.runtime = card.id, opened.run.name
        self.header = (b"x-weighbridge-model", self.model.encode())
        self.classes = len(card.classes)
        told = {"model": card.name, "version": card.version, "runtime": self.runtime, "device": opened.run.device}
        self._head = _text(told)[:-1] + ',"predictions":['
        labels = [f'"label":{_text(label)},"index":{index},"probability":' for index, label in enumerate(card.classes)]
        self._starts = ['{"status":200,' + label for label in labels]
        self._labels = ["{" + label for label in labels]

    def body(self, probabilities: NDArray[np.float32], outcomes: Sequence[Outcome] | None, top_k: int) -> bytes:
        """The answer: a prediction per row, or, given `outcomes`, one per Decoded among them, in their order."""
        rows = self._rows(probabilities, top_k)
        if outcomes is None:
            items = [row + ',"resized":false}' for row in rows]
        else:
            given = iter(rows)
            items = [
                next(given) + _resized(outcome.original)
                if isinstance(outcome, Decoded)
                else f'{{"status":{outcome.status},"error":{outcome.document().model_dump_json(exclude_none=True)}}}'
                for outcome in outcomes
            ]
        return f"{self._head}{','.join(items)}]}}".encode()

    def _rows(self, probabilities: NDArray[np.float32], top_k: int) -> list[str]:
        """Each prediction up to its `top`."""
        starts, labels = self._starts, self._labels
        count, classes = probabilities.shape
        if count <= FEW and classes <= CLASSES:
            rows = probabilities.tolist()
            orders = [sorted(range(classes), key=row.__getitem__, reverse=True)[:top_k] for row in rows]
            tops = [[row[index] for index in order] for row, order in zip(rows, orders, strict=True)]
        else:
            found = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
            orders, tops = found.tolist(), np.take_along_axis(probabilities, found, axis=1).tolist()
        texts = []
        for order, top in zip(orders, tops, strict=True):
            if not top[0] <= 1.0:  # a float32 softmax may end at 1 + 1e-7, and NaN is not JSON
                if math.isnan(top[0]):
                    raise ValueError(f"{self.model} answered NaN")
                top = [min(each, 1.0) for each in top]
            shares = list(map(repr, top))
            choices = "},".join([labels[index] + share for index, share in zip(order, shares, strict=True)])
            texts.append(f'{starts[order[0]]}{shares[0]},"top":[{choices}}}]')
        return texts


def _resized(original: tuple[int, int] | None) -> str:
    if original is None:
        return ',"resized":false}'
    return f',"resized":true,"original_size":{{"width":{original[0]},"height":{original[1]}}}}}'


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
