"""/predict: take the request apart, decode to the model's shape, run, answer.

Spoken in plain ASGI, without Starlette's Request and Response: at fifteen thousand requests a second each of them costs
as much as a small model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.types import Receive, Scope, Send

from service.answer import Face, Outcome
from service.card import InputSpec
from service.gone import NEVER, proceed
from service.images import TOGETHER, Budget, Decoded
from service.ingress import Ask, check_count, expected_s, read_ask, read_body, to_pixels
from service.pixels import from_bytes
from service.problems import Problem, at
from service.routing import classify, plan_for
from service.settings import Resize, Settings
from service.shelf import Opened
from service.visit import KEY, Visit

if TYPE_CHECKING:
    from service.state import State

DEFAULT_TOP_K = 5
PARSE_S_PER_BYTE = 10e-9  # JSON; the other forms are faster
JSON_TYPE = (b"content-type", b"application/json")


class Predict:
    """Answers POST /predict."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what goes wrong is raised."""
        state: State = scope["app"].state.worker
        visit: Visit = scope[KEY]
        status, body, header = await answer(state, visit, scope["query_string"], receive)
        await send({
            "type": "http.response.start", "status": status,
            "headers": [JSON_TYPE, (b"content-length", b"%d" % len(body)), header],
        })
        await send({"type": "http.response.body", "body": body})


async def answer(
    state: State, visit: Visit, query: bytes, receive: Receive
) -> tuple[int, bytes, tuple[bytes, bytes]]:
    """Status, body and the header that names the model."""
    settings, watch, dispatch = state.settings, visit.watch, state.dispatch
    body = await read_body(receive)
    watch.mark("read")
    ask = await dispatch.call(
        lambda _: read_ask(body, visit.sent, query, settings, state.allowance),
        len(body) * PARSE_S_PER_BYTE, "parse", watch,
    )
    deadline_ns = None if ask.timeout_s is None else watch.started + int(ask.timeout_s * 1e9)
    plan = None
    if state.book.routes:  # then the name may stand for more than a model
        plan = await plan_for(state, ask.model, ask.runtime, visit, deadline_ns=deadline_ns)
        opened = plan.opened
    else:
        entry = state.shelf.find(ask.model)
        known = entry.opened.get(ask.runtime or settings.runtime)
        if known is None:  # first use of another runtime: loads and checks it
            known = await state.opener.open(entry, ask.runtime, watch, deadline_ns=deadline_ns)
        opened = known
    face = state.faces.get(id(opened))
    if face is None or face.opened is not opened:
        face = _remember(state, opened)
    visit.model, visit.runtime = face.model, face.runtime
    top_k = check_top_k(ask.top_k, face)

    if ask.raw is not None:
        images = from_bytes(ask.raw, opened.card.input)
        check_count(len(images), settings.max_images)
        outcomes = None
        watch.mark("decode")
    else:
        images, outcomes = await dispatch.call(
            decoder(ask, opened.card.input, settings), expected_s(ask.items, len(body)), "decode", watch,
            deadline_ns=deadline_ns, receive=receive,
        )
    visit.images = len(images)
    if plan is None or plan.route is None:
        probabilities = await dispatch.infer(opened, images, watch, deadline_ns=deadline_ns, receive=receive)
        told = face.body(probabilities, outcomes, top_k)
    else:
        answered = await classify(state, plan, images, visit, deadline_ns=deadline_ns, receive=receive)
        told = face.body(answered.probabilities, outcomes, top_k, plan.route, answered.models(plan))
        visit.headers.append((b"x-weighbridge-route", plan.route.encode()))
    watch.mark("encode")
    return 200 if outcomes is None or len(images) == len(outcomes) else 207, told, face.header


def _remember(state: State, opened: Opened) -> Face:
    """The face of a model that was opened anew; those of models that have gone are forgotten with it."""
    state.faces = {
        place: face for place, face in state.faces.items() if face.model != opened.card.id
        or face.runtime != opened.run.name
    }
    face = state.faces[id(opened)] = Face(opened)
    return face


def check_top_k(asked: int | None, face: Face) -> int:
    """How many labels to answer with: 5, or all where there are fewer, unless the client says."""
    if asked is None:
        return min(DEFAULT_TOP_K, face.classes)
    if asked > face.classes:
        raise Problem("bad-value", f"top_k is {asked}, {face.model} has {face.classes} classes", field="top_k",
                      limit=face.classes, cure=f"send a whole number from 1 to {face.classes}")
    return asked


class BatchError(Exception):
    """A batch of which no image, or not every image where all are needed, could be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} images failed")
        self.problems = problems


def decoder(
    ask: Ask, spec: InputSpec, settings: Settings
) -> Callable[[threading.Event], tuple[NDArray[np.uint8], list[Outcome]]]:
    """Work that gives the usable images (n, height, width, channels), and what became of each item of the request."""
    return lambda stop: stack(ask.items, spec, settings, resize=ask.resize, no_booleans=ask.no_booleans, stop=stop)


def stack(
    items: Sequence[Any], spec: InputSpec, settings: Settings, *, resize: Resize | None = None,
    no_booleans: bool = False, all_or_nothing: bool = False, stop: threading.Event = NEVER,
) -> tuple[NDArray[np.uint8], list[Outcome]]:
    """The usable ones of at least one item as (n, height, width, channels), and what became of each.

    BatchError when there is no usable one; with `all_or_nothing`, when there is an unusable one. Stopped between two
    images when `stop` is set.
    """
    policy, budget = resize or settings.resize, Budget(TOGETHER * settings.max_pixels)
    outcomes: list[Outcome] = []
    for place, item in enumerate(items):
        proceed(stop)
        outcomes.append(_attempt(item, place, spec, settings, policy, no_booleans, budget))
    good = [outcome.pixels for outcome in outcomes if isinstance(outcome, Decoded)]
    if not good or (all_or_nothing and len(good) < len(outcomes)):
        raise BatchError([outcome for outcome in outcomes if isinstance(outcome, Problem)])
    return (good[0][np.newaxis] if len(good) == 1 else np.stack(good)), outcomes


def _attempt(
    item: Any, place: int, spec: InputSpec, settings: Settings, resize: Resize, no_booleans: bool, budget: Budget
) -> Outcome:
    try:
        return to_pixels(item, spec, settings, resize, no_booleans=no_booleans, budget=budget)
    except Problem as problem:
        return at(problem, f"images.{place}")
