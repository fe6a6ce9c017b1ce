"""/evaluate: score a model on a labelled split of this server (JSON), or on images and labels that come along (form).

Trials run on threads of their own, at most `max_evaluations` at once; a client that leaves stops its trial.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from service.fields import checked, merge, parse_json, read_query, read_whole, texts_of
from service.forms import parse_form
from service.ingress import IMAGE_FIELDS, SPARE_PARTS
from service.labelled import from_form, from_split, read_labels
from service.problems import Problem
from service.routing import composed
from service.settings import Settings
from service.state import State, state_of
from service.stopwatch import Stopwatch
from service.trial import run_trial
from service.visit import visit_of
from service.wire import EvaluateAnswer, EvaluateRequest

FIELDS = ("model", "runtime", "split", "limit", "batch_size")
FORM_FIELDS = ("model", "runtime", "batch_size")


async def evaluate(request: Request) -> Response:
    """Answer POST /evaluate."""
    state, visit = state_of(request), visit_of(request)
    body = await request.body()
    visit.watch.mark("read")
    content_type = request.headers.get("content-type", "")
    if state.evaluating >= state.settings.max_evaluations:
        raise _busy(state)
    state.evaluating += 1
    stop = threading.Event()
    try:
        work = _work(body, content_type, request.query_params, state, visit.watch, stop)
        began = time.perf_counter()
        answer = await _unless_gone(request, asyncio.get_running_loop().run_in_executor(state.evaluations, work))
        state.evaluation_s = time.perf_counter() - began
    finally:
        stop.set()
        state.evaluating -= 1
    visit.model, visit.runtime = f"{answer.model}@{answer.version}", answer.runtime
    visit.headers.append((b"x-weighbridge-model", visit.model.encode()))
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _work(
    body: bytes, content_type: str, query: QueryParams, state: State, watch: Stopwatch, stop: threading.Event
) -> Callable[[], EvaluateAnswer]:
    """The whole evaluation as one job for a thread."""

    def work() -> EvaluateAnswer:
        watch.mark("queue")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == "application/json":
            asked, form = _from_json(body, query), None
        elif media_type == "multipart/form-data":
            asked, form = _from_form(body, content_type, query, state.settings)
        else:
            raise Problem("unsupported-media-type", f"the body's type is {media_type[:80]!r}", field="Content-Type",
                          cure="send application/json to use a split of /splits, or images and labels as a form")
        watch.mark("parse")
        opened, route = composed(state, asked.model, asked.runtime)
        if form is None:
            images, labels, used = from_split(asked.split, asked.limit, opened.card, state)
        else:
            images, labels, used = from_form(*form, opened.card, state.settings)
        watch.mark("decode")
        answer = run_trial(opened, images, labels, split=used, batch_size=asked.batch_size, stop=stop)
        watch.mark("infer")
        return answer.model_copy(update={"route": route})

    return work


def _from_json(body: bytes, parameters: QueryParams) -> EvaluateRequest:
    query = read_query(parameters, FIELDS)
    sent = parse_json(body, EvaluateRequest)
    told = sent.model_dump(include=sent.model_fields_set)
    return checked({name: merge(name, query, told, _reader(name)) for name in FIELDS}, EvaluateRequest)


def _from_form(
    body: bytes, content_type: str, parameters: QueryParams, settings: Settings
) -> tuple[EvaluateRequest, tuple[list[bytes], list[Any]]]:
    query = read_query(parameters, FORM_FIELDS)
    parts = parse_form(body, content_type, max_parts=2 * settings.max_evaluate_images + SPARE_PARTS)
    images = [bytes(part.data) for part in parts if part.name in IMAGE_FIELDS]
    labels = [part.text() for part in parts if part.name == "labels"]
    plain = [part for part in parts if part.name not in (*IMAGE_FIELDS, "labels")]
    told = {name: _reader(name)(text) for name, text in texts_of(plain, FORM_FIELDS).items()}
    asked = checked({name: merge(name, query, told, _reader(name)) for name in FORM_FIELDS}, EvaluateRequest)
    return asked, (images, read_labels(labels))


def _reader(name: str) -> Callable[[str], Any]:
    return read_whole(name) if name in ("limit", "batch_size") else str


async def _unless_gone(request: Request, job: asyncio.Future[EvaluateAnswer]) -> EvaluateAnswer:
    """The job's result, or ClientDisconnect as soon as nobody waits for it."""
    gone = asyncio.create_task(_gone(request))
    waiting: set[asyncio.Future[Any]] = {job, gone}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return job.result()
        job.cancel()
        raise ClientDisconnect
    finally:
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _busy(state: State) -> Problem:
    wait_s = max(1, math.ceil(state.evaluation_s))
    return Problem("overloaded", f"{state.evaluating} evaluations are running", limit=state.settings.max_evaluations,
                   cure=f"try again in {wait_s} s, or raise WEIGHBRIDGE_MAX_EVALUATIONS on the server",
                   retry_after_s=wait_s)
