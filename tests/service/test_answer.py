"""The quick way of writing an answer, against the model that describes it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.answer import Face
from service.images import Decoded
from service.problems import Problem
from service.wire import Choice, FailedItem, PredictAnswer, Prediction, Size

LABELS = ("dark", 'q"uote', "ünï\\code", "\u2028", "e")
PIXELS = np.zeros((1, 1, 1), np.uint8)
SHARES = st.floats(0, 1, width=32)
OUTCOMES = st.lists(
    st.one_of(
        st.just(Decoded(PIXELS, None)),
        st.builds(Decoded, st.just(PIXELS), st.tuples(st.integers(1, 9999), st.integers(1, 9999))),
        st.builds(lambda text: Problem("image-unreadable", text, field="images.0", cure="no"), st.text(max_size=5)),
    ),
    min_size=1, max_size=8,
)


def face(classes: int) -> Face:
    card = SimpleNamespace(name="toy", version=3, id="toy@3", classes=LABELS[:classes])
    opened: Any = SimpleNamespace(card=card, run=SimpleNamespace(name="onnxruntime", device="cpu"))
    return Face(opened)


def slow(probabilities: np.ndarray, outcomes: list[Any], top_k: int, labels: tuple[str, ...]) -> PredictAnswer:
    """The same answer, obviously."""
    rows = iter(probabilities)

    def item(outcome: Any) -> Prediction | FailedItem:
        if isinstance(outcome, Problem):
            return FailedItem(status=outcome.status, error=outcome.document())
        row = next(rows)
        best = sorted(range(len(row)), key=lambda index: (-row[index], index))[:top_k]
        top = [Choice(label=labels[index], index=index, probability=float(row[index])) for index in best]
        size = None if outcome.original is None else Size(width=outcome.original[0], height=outcome.original[1])
        return Prediction(label=top[0].label, index=top[0].index, probability=top[0].probability, top=top,
                          resized=size is not None, original_size=size)

    return PredictAnswer(model="toy", version=3, runtime="onnxruntime", device="cpu",
                         predictions=[item(outcome) for outcome in outcomes])


@given(st.data(), OUTCOMES, st.integers(2, 5))
def test_an_answer_is_what_the_model_of_it_says(data: st.DataObject, outcomes: list[Any], classes: int) -> None:
    good = sum(isinstance(outcome, Decoded) for outcome in outcomes)
    probabilities = data.draw(arrays(np.float32, (good, classes), elements=SHARES))
    top_k = data.draw(st.integers(1, classes))

    body = face(classes).body(probabilities, outcomes, top_k)

    wanted = slow(probabilities, outcomes, top_k, LABELS[:classes])
    assert as_float32(PredictAnswer.model_validate_json(body)) == as_float32(wanted)


@given(arrays(np.float32, 64, elements=SHARES))
def test_the_digits_of_a_probability_are_those_of_its_float32(row: np.ndarray) -> None:
    labels = tuple(map(str, range(64)))
    card = SimpleNamespace(name="toy", version=3, id="toy@3", classes=labels)
    opened: Any = SimpleNamespace(card=card, run=SimpleNamespace(name="onnxruntime", device="cpu"))

    for count in (1, 9):  # the way for few images, and that for many
        body = Face(opened).body(np.tile(row, (count, 1)), None, 64)
        for each in PredictAnswer.model_validate_json(body).predictions:
            found = {choice.index: choice.probability for choice in each.top}  # type: ignore[union-attr]
            assert [np.float32(found[index]) for index in range(64)] == row.tolist()


def as_float32(answer: PredictAnswer) -> dict[str, Any]:
    """The answer with each probability as the double of its float32."""
    told = answer.model_dump()
    for each in told["predictions"]:
        for choice in [each, *each["top"]] if "top" in each else []:
            choice["probability"] = float(np.float32(choice["probability"]))
    return told


def test_a_share_a_little_above_one_is_one() -> None:
    body = face(2).body(np.array([[0.0, 1.0000001]], np.float32), None, 1)

    assert PredictAnswer.model_validate_json(body).predictions[0].probability == 1  # type: ignore[union-attr]


def test_each_answer_of_a_cascade_names_its_model() -> None:
    body = face(2).body(np.array([[0, 1], [1, 0]], np.float32), None, 1, "sorter", ["small@1", "large@2"])

    answer = PredictAnswer.model_validate_json(body)
    assert answer.route == "sorter"
    assert [each.model for each in answer.predictions] == ["small@1", "large@2"]  # type: ignore[union-attr]


def test_a_model_that_answers_nan_is_our_mistake_and_not_an_answer() -> None:
    with pytest.raises(ValueError, match="toy@3 answered NaN"):
        face(2).body(np.full((1, 2), np.nan, np.float32), None, 1)
