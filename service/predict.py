"""/predict: take the request apart, decode to the model's shape, run, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from service.card import InputSpec
from service.images import Decoded
from service.ingress import Ask, check_count, expected_s, read_ask, to_pixels
from service.pixels import from_bytes
from service.problems import Problem, at
from service.settings import Settings
from service.shelf import Opened
from service.state import state_of
from service.visit import visit_of
from service.wire import Choice, FailedItem, PredictAnswer, Prediction, Size

Outcome = Decoded | Problem
DEFAULT_TOP_K = 5
PARSE_S_PER_BYTE = 10e-9  # JSON; the other forms are faster


async def predict(request: Request) -> Response:
    """Answer POST /predict."""
    state, visit = state_of(request), visit_of(request)
    settings, watch = state.settings, visit.watch

    body = await request.body()
    watch.mark("read")
    content_type = request.headers.get("content-type", "")
    ask = await state.dispatch.call(
        lambda: read_ask(body, content_type, request.query_params, settings),
        len(body) * PARSE_S_PER_BYTE, "parse", watch,
    )
    entry = state.shelf.find(ask.model)
    opened = entry.opened.get(ask.runtime or settings.runtime)
    if opened is None:  # first use of another runtime: loads and checks it
        opened = await state.dispatch.call(lambda: state.shelf.open(entry, ask.runtime), 60.0, "queue", watch)
    visit.model, visit.runtime = opened.card.id, opened.run.name
    top_k = check_top_k(ask.top_k, opened)

    images, outcomes = await state.dispatch.call(
        _decoder(ask, opened.card.input, settings), sum(map(expected_s, ask.items)), "decode", watch
    )
    visit.images = len(images)
    probabilities = await state.dispatch.infer(opened, images, watch)

    body = answer(opened, probabilities, outcomes, top_k).model_dump_json(exclude_none=True).encode()
    mixed = len(images) < len(outcomes)
    visit.headers.append((b"x-weighbridge-model", opened.card.id.encode()))
    watch.mark("encode")
    return Response(body, status_code=207 if mixed else 200, media_type="application/json")


def check_top_k(asked: int | None, opened: Opened) -> int:
    """How many labels to answer with: 5, or all where there are fewer, unless the client says."""
    classes = len(opened.card.classes)
    if asked is None:
        return min(DEFAULT_TOP_K, classes)
    if asked > classes:
        raise Problem("bad-value", f"top_k is {asked}, {opened.card.id} has {classes} classes", field="top_k",
                      limit=classes, cure=f"send a whole number from 1 to {classes}")
    return asked


class BatchError(Exception):
    """A batch of which no image, or not every image where all are needed, could be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} images failed")
        self.problems = problems


def _decoder(ask: Ask, spec: InputSpec, settings: Settings) -> Callable[[], tuple[NDArray[np.uint8], list[Outcome]]]:
    """Work that gives the usable images (n, height, width, channels), and what became of each item of the request."""

    def work() -> tuple[NDArray[np.uint8], list[Outcome]]:
        if ask.raw is not None:
            images = from_bytes(ask.raw, spec)
            check_count(len(images), settings.max_images)
            return images, [Decoded(image, None) for image in images]
        return stack(ask.items, spec, settings)

    return work


def stack(
    items: Sequence[Any], spec: InputSpec, settings: Settings, *, all_or_nothing: bool = False
) -> tuple[NDArray[np.uint8], list[Outcome]]:
    """The usable ones of at least one item as (n, height, width, channels), and what became of each.

    BatchError when there is no usable one; with `all_or_nothing`, when there is an unusable one.
    """
    outcomes = [_attempt(item, place, spec, settings) for place, item in enumerate(items)]
    good = [outcome.pixels for outcome in outcomes if isinstance(outcome, Decoded)]
    if not good or (all_or_nothing and len(good) < len(outcomes)):
        raise BatchError([outcome for outcome in outcomes if isinstance(outcome, Problem)])
    return (good[0][np.newaxis] if len(good) == 1 else np.stack(good)), outcomes


def _attempt(item: Any, place: int, spec: InputSpec, settings: Settings) -> Outcome:
    try:
        return to_pixels(item, spec, settings)
    except Problem as problem:
        return at(problem, f"images.{place}")


def answer(opened: Opened, probabilities: NDArray[np.float32], outcomes: list[Outcome], top_k: int) -> PredictAnswer:
    """`outcomes` in order, each turned into a Prediction or a FailedItem; `probabilities` has a row per Decoded."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    tops = np.take_along_axis(probabilities, order, axis=1).tolist()
    rows = zip(order.tolist(), tops, strict=True)
    return PredictAnswer(
        model=opened.card.name,
        version=opened.card.version,
        runtime=opened.run.name,
        device=opened.run.device,
        predictions=[
            _prediction(*next(rows), outcome, opened.card.classes)
            if isinstance(outcome, Decoded)
            else FailedItem(status=outcome.status, error=outcome.document())
            for outcome in outcomes
        ],
    )


def _prediction(indices: list[int], shares: list[float], image: Decoded, classes: tuple[str, ...]) -> Prediction:
    top = [
        Choice(label=classes[index], index=index, probability=min(share, 1.0))  # a float32 softmax may end at 1 + 1e-7
        for index, share in zip(indices, shares, strict=True)
    ]
    return Prediction(
        label=top[0].label,
        index=top[0].index,
        probability=top[0].probability,
        top=top,
        resized=image.original is not None,
        original_size=Size(width=image.original[0], height=image.original[1]) if image.original else None,
    )
