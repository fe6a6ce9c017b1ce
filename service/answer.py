"""The answer of /predict, put together from prepared pieces: a pydantic model takes ten times as long.

`Face` makes exactly what `wire.PredictAnswer` describes; a property test compares the two. Probabilities are written
with as few digits as tell one float32 from the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import add

import numpy as np
import orjson
from numpy.typing import NDArray

from service.images import Decoded
from service.problems import Problem
from service.shelf import Opened

Outcome = Decoded | Problem
FEW = 4       # up to so many images and so many classes, sorting in Python is quicker than numpy's fixed cost
CLASSES = 64
CLOSED = b',"resized":false}'
ONE = np.float32(1)


class Face:
    """What one opened model shows in every answer."""

    __slots__ = ("_choices", "_head", "_told", "classes", "header", "model", "opened", "runtime")

    def __init__(self, opened: Opened) -> None:
        card = opened.card
        self.opened = opened
        self.model, self.runtime = card.id, opened.run.name
        self.header = (b"x-weighbridge-model", self.model.encode())
        self.classes = len(card.classes)
        self._choices = [  # all of a choice but the digits of its probability
            b'"label":%b,"index":%d,"probability":' % (orjson.dumps(label), index)
            for index, label in enumerate(card.classes)
        ]
        self._told = {"model": card.name, "version": card.version, "runtime": self.runtime, "device": opened.run.device}
        self._head = _head(self._told)

    def body(
        self, probabilities: NDArray[np.float32], outcomes: Sequence[Outcome] | None, top_k: int,
        route: str | None = None, models: Sequence[str] | None = None,
    ) -> bytes:
        """The answer: a prediction per row, or, given `outcomes`, one per Decoded among them, in their order.

        `route` was asked for by name; `models` says of each row, where they differ, which model answered.
        """
        head = self._head if route is None else _head({**self._told, "route": route})
        if models is None and (outcomes is None or all(map(_is_usual, outcomes))):
            return head + self._rows(probabilities, top_k, CLOSED + b",")[:-1] + b"]}"
        rows = self._rows(probabilities, top_k, b"\n").split(b"\n")  # which stands nowhere else in JSON
        if models is not None:
            rows = [b'%b,"model":%b' % (row, orjson.dumps(model)) for row, model in zip(rows, models, strict=False)]
        if outcomes is None:
            return head + (CLOSED + b",").join(rows) + CLOSED + b"]}"
        given = iter(rows)
        found = [
            _closed(next(given), outcome.original) if isinstance(outcome, Decoded) else _failed(outcome)
            for outcome in outcomes
        ]
        return head + b",".join(found) + b"]}"

    def _rows(self, probabilities: NDArray[np.float32], top_k: int, end: bytes) -> bytes:
        """Each image's prediction without its end, and `end` after each."""
        order, shares = _ranked(probabilities, top_k)
        if b"null" in shares:
            raise ValueError(f"{self.model} answered NaN")
        choices = list(map(self._choices.__getitem__, order))
        if len(probabilities) == 1:
            top = list(map(add, choices, shares))
            return b'{"status":200,%b,"top":[{%b}]%b' % (top[0], b"},{".join(top), end)
        # The first choice twice, then all of them: what the columns of one row are.
        width = 2 * top_k + 2
        pieces = [b""] * (len(probabilities) * width)
        pieces[0::width], pieces[1::width] = choices[0::top_k], shares[0::top_k]
        for place in range(top_k):
            pieces[2 * place + 2 :: width] = choices[place::top_k]
            pieces[2 * place + 3 :: width] = shares[place::top_k]
        row = b'{"status":200,%b%b,"top":[' + b",".join([b"{%b%b}"] * top_k) + b"]" + end.replace(b"%", b"%%")
        return (row * len(probabilities)) % tuple(pieces)


def _ranked(probabilities: NDArray[np.float32], top_k: int) -> tuple[list[int], list[bytes]]:
    """Row after row the indices of the `top_k` highest in falling order, the first of equals first, and their digits.

    What is above 1, as a float32 softmax may end by 1e-7, is 1. A NaN's digits are `null`.
    """
    count, classes = probabilities.shape
    if count <= FEW and classes <= CLASSES:
        order, above = [], False
        for row in probabilities.tolist():
            best = sorted(range(classes), key=row.__getitem__, reverse=True)[:top_k]
            order += best
            above |= row[best[0]] > 1.0
        digits = _digits(np.minimum(probabilities, ONE) if above else probabilities)
        if count == 1:
            return order, [digits[index] for index in order]
        starts = [place for row in range(count) for place in [row * classes] * top_k]
        return order, [digits[start + index] for start, index in zip(starts, order, strict=True)]
    found = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    return found.ravel().tolist(), _digits(np.minimum(probabilities[np.arange(count)[:, np.newaxis], found], ONE))


def _digits(values: NDArray[np.float32]) -> list[bytes]:
    return orjson.dumps(values.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def _head(told: Mapping[str, object]) -> bytes:
    return orjson.dumps(told)[:-1] + b',"predictions":['


def _is_usual(outcome: Outcome) -> bool:
    return isinstance(outcome, Decoded) and outcome.original is None


def _closed(row: bytes, original: tuple[int, int] | None) -> bytes:
    if original is None:
        return row + CLOSED
    return b'%b,"resized":true,"original_size":{"width":%d,"height":%d}}' % (row, *original)


def _failed(problem: Problem) -> bytes:
    return orjson.dumps({
        "status": problem.status, "error": problem.document().model_dump(mode="json", exclude_none=True),
    })
