"""POST /v2/models/{model}[/versions/{version}]/infer: the same decoder, limits and threads as /predict.

There is no answer per image in this protocol, so one image that cannot be used fails its request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from service import effort
from service.card import InputSpec
from service.fields import shorten
from service.ingress import LIST_S, LISTED_BYTE_S, check_count
from service.oip.messages import InferAnswer
from service.oip.packed import Packed
from service.oip.tensors import (
    ENCODED,
    IMAGE,
    LENGTH_HEADER,
    MODEL,
    PROBABILITIES,
    InferAsk,
    Wanted,
    read_files,
    read_infer,
    read_pixels,
    write_answer,
)
from service.predict import PARSE_S_PER_BYTE, BatchError, stack
from service.problems import Problem, at
from service.routing import Answered, Plan, classify, plan_for
from service.settings import Settings
from service.state import state_of
from service.visit import visit_of

WRITTEN_S, TOLD_S, ECHOED_S = 250e-9, 2.5e-6, 5e-9  # a number as JSON, one with its label, a character of the id


async def infer(request: Request) -> Response:
    """Answer one inference request."""
    packed = Packed(state_of(request).bodies)
    try:
        return await _answer(request, packed)
    finally:
        packed.let_go()


async def _answer(request: Request, packed: Packed) -> Response:
    state, visit = state_of(request), visit_of(request)
    settings, watch = state.settings, visit.watch
    wanted = wanted_model(request)
    ask = await _read(request, packed)
    timeout_s = None if ask.timeout_s is None else min(ask.timeout_s, settings.timeout_s)
    deadline_ns = None if timeout_s is None else watch.started + int(timeout_s * 1e9)
    plan = await plan_for(state, wanted, ask.runtime, visit, deadline_ns=deadline_ns)
    outputs = check_outputs(ask, plan)
    check_count(ask.count, settings.max_images)
    images = await state.dispatch.call(
        _decoder(ask, plan.opened.card.input, settings), _decode_s(ask), "decode", watch,
        deadline_ns=deadline_ns, receive=request.receive,
    )
    visit.images = len(images)
    name = ask.id
    del ask  # with the files, or the lists, that the images were made of: these may have to wait
    answered = await classify(state, plan, images, visit, deadline_ns=deadline_ns, receive=request.receive)

    empty = InferAnswer(
        model_name=plan.route or plan.opened.card.name,
        model_version=None if plan.route else str(plan.opened.card.version),
        id=name,
        outputs=[],
    )
    content, more = await state.dispatch.call(
        lambda _: write_answer(empty, [_tensor(output, answered, plan) for output in outputs]),
        _answer_s(name, outputs, answered), "encode", watch, deadline_ns=deadline_ns, receive=request.receive,
    )
    return Response(content, headers=more)


async def _read(request: Request, packed: Packed) -> InferAsk:
    """The body, unpacked where it was packed and taken apart. Nothing else of it is kept."""
    state, watch = state_of(request), visit_of(request).watch
    settings, headers = state.settings, request.headers
    body = await request.body()
    watch.mark("read")
    pieces, size = [body], len(body)
    if (encoding := headers.get("content-encoding", "identity")) != "identity":
        call = partial(
            state.dispatch.call, expected_s=effort.LONG_S, stage="parse", watch=watch, receive=request.receive,
            deadline_ns=time.perf_counter_ns() + int(settings.timeout_s * 1e9),
        )
        pieces = await packed.unpack(body, encoding, settings.max_body_bytes, call)
        size = packed.size
    return await state.dispatch.call(
        lambda _: read_infer(b"".join(pieces), headers.get(LENGTH_HEADER), state.allowance()),
        size * PARSE_S_PER_BYTE, "parse", watch,
    )


def wanted_model(request: Request) -> str:
    """The address's model and version as `name` or `name@version`."""
    model, version = request.path_params["model"], request.path_params.get("version")
    return model if version is None else f"{model}@{version}"


def check_outputs(ask: InferAsk, plan: Plan) -> list[Wanted]:
    """What to answer with: all outputs, unless the client says."""
    names = output_names(plan)
    if ask.outputs is None:
        return [Wanted(name, ask.binary) for name in names]
    if len(ask.outputs) > len({output.name for output in ask.outputs}):  # a few bytes each would ask for megabytes
        raise Problem("contradiction", "an output is asked for more than once", field="outputs",
                      cure="name each output once")
    for output in ask.outputs:
        if output.name not in names:
            raise Problem("bad-value", f"there is no output {shorten(output.name)}", field="outputs",
                          cure=f"use {', '.join(names)}")
        if output.classes is not None and output.name != PROBABILITIES:
            raise Problem("bad-value", f"{output.name} cannot be classified", field="classification",
                          cure=f"ask for it at {PROBABILITIES}")
    return ask.outputs


def output_names(plan: Plan) -> list[str]:
    """A cascade also tells which model answered each image."""
    return [PROBABILITIES, MODEL] if plan.large else [PROBABILITIES]


def _decoder(ask: InferAsk, spec: InputSpec, settings: Settings) -> Callable[[threading.Event], NDArray[np.uint8]]:
    def work(stop: threading.Event) -> NDArray[np.uint8]:
        if ask.tensor.name == IMAGE:
            return read_pixels(ask, spec)
        if ask.tensor.name == ENCODED:
            try:
                return stack(read_files(ask), spec, settings, all_or_nothing=True, stop=stop)[0]
            except BatchError as failed:
                first = failed.problems[0]
                raise at(first, (first.field or "").replace("images", ENCODED)) from None
        raise Problem("bad-value", f"there is no input {shorten(ask.tensor.name)}", field="inputs",
                      cure=f"send {IMAGE}, or {ENCODED}")

    return work


def _decode_s(ask: InferAsk) -> float:
    """At most, and whatever the shape says."""
    if ask.raw is None:
        return LIST_S + ask.size * LISTED_BYTE_S if ask.tensor.name == IMAGE else effort.LONG_S
    if ask.tensor.name == IMAGE:
        return 1e-6
    return effort.expected_s(ask.raw[4:]) if ask.count == 1 else effort.LONG_S


def _answer_s(name: str | None, outputs: list[Wanted], answered: Answered) -> float:
    """How long it takes to write the answer, at most."""
    found = answered.probabilities
    expected_s = len(name or "") * ECHOED_S
    for output in outputs:
        if output.classes is not None:
            expected_s += found.size * WRITTEN_S + len(found) * min(output.classes, found.shape[1]) * TOLD_S
        elif not output.binary:
            expected_s += found.size * WRITTEN_S
    return expected_s


def _tensor(
    output: Wanted, answered: Answered, plan: Plan
) -> tuple[str, NDArray[np.float32] | list[str], list[int], bool]:
    probabilities = answered.probabilities
    if output.name == MODEL:
        return MODEL, answered.models(plan) or [], [len(probabilities)], output.binary
    if output.classes is None:
        return PROBABILITIES, probabilities, list(probabilities.shape), output.binary
    labels = plan.opened.card.classes
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, : output.classes]
    texts = [
        f"{row[index]:f}:{index}:{labels[index]}"
        for row, best in zip(probabilities, order.tolist(), strict=True)
        for index in best
    ]
    return PROBABILITIES, texts, list(order.shape), output.binary
