"""/evaluate: score a model on a labelled split of this server (JSON), or on labelled images that come along (form).

What is small is answered at once, on threads of their own, at most `max_evaluations` at a time; a client that leaves
stops its trial at the image it is at, and so does a trial that takes longer than a job may. What is large, or asked for
with `job`, becomes a job (see `jobs`), and the answer is 202 with its address.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from service.fields import checked, merge, parse_json, read_query, read_whole, shorten, texts_of
from service.forms import parse_form
from service.gone import proceed, unless_left
from service.ingress import IMAGE_FIELDS, SPARE_PARTS, check_count
from service.jobs.runner import fingerprint
from service.jobs.store import Contender, Plan
from service.labelled import Arrays, Uploaded, find_split, from_form, from_split, read_labels
from service.problems import Problem
from service.routing import composed, differ
from service.scorecard import chosen_format, render
from service.settings import Settings
from service.shelf import Opened
from service.sources import Bounds, Source, open_source
from service.state import State, state_of
from service.stopwatch import Stopwatch
from service.trial import run_trials
from service.visit import visit_of
from service.wire import EvaluateAnswer, EvaluateRequest, Job

FIELDS = ("model", "runtime", "split", "limit", "batch_size", "compare", "job")
FORM_FIELDS = ("model", "runtime", "limit", "batch_size", "compare", "job")
DATA = "data"
MOST_FILES = 2  # of one evaluation
Answered = EvaluateAnswer | Job


@dataclass
class Asked:
    """A request taken apart. Of what a form may bring, one is there: encoded images and labels, or files of data."""

    what: EvaluateRequest
    images: list[bytes] | None = None
    labels: list[Any] | None = None
    data: list[bytes] | None = None


async def evaluate(request: Request) -> Response:
    """Answer POST /evaluate."""
    state, visit = state_of(request), visit_of(request)
    body = await request.body()
    visit.watch.mark("read")
    query = QueryParams([(name, value) for name, value in request.query_params.multi_items() if name != "format"])
    kind = chosen_format(request.query_params, request.headers.get("accept", ""))
    if state.evaluating >= state.settings.max_evaluations:
        raise _busy(state)
    stop = threading.Event()
    began = time.perf_counter()
    try:
        async with asyncio.timeout(state.settings.job_limit_s):
            answer = await unless_left(_begun(_work(body, request, query, state, visit.watch, stop), state),
                                       request.receive)
        state.evaluation_s = time.perf_counter() - began
    except TimeoutError:
        raise _late(state.settings) from None
    finally:
        stop.set()
    if isinstance(answer, Job):
        headers = {"Location": answer.url}
        return Response(answer.model_dump_json(exclude_none=True), 202, headers, media_type="application/json")
    visit.model, visit.runtime = f"{answer.model}@{answer.version}", answer.runtime
    visit.headers.append((b"x-weighbridge-model", visit.model.encode()))
    return render(answer, kind) if kind == "json" else await asyncio.to_thread(render, answer, kind)


def _begun(work: Callable[[], Answered], state: State) -> asyncio.Future[Answered]:
    """The work on a thread, which is counted until it has ended: it may go on after nobody waits for it any more."""
    loop = asyncio.get_running_loop()

    def ended(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody counts any more
            loop.call_soon_threadsafe(free)

    def free() -> None:
        state.evaluating -= 1

    working = state.evaluations.submit(work)
    state.evaluating += 1
    working.add_done_callback(ended)
    return asyncio.wrap_future(working)


def _work(
    body: bytes, request: Request, query: QueryParams, state: State, watch: Stopwatch, stop: threading.Event
) -> Callable[[], Answered]:
    """The whole evaluation as one job for a thread."""
    content_type = request.headers.get("content-type", "")
    prefers_job = "respond-async" in request.headers.get("prefer", "").lower()  # RFC 7240

    def work() -> Answered:
        watch.mark("queue")
        asked = _read(body, content_type, query, state.settings)
        wants_job = asked.what.job if asked.what.job is not None else prefers_job or None
        watch.mark("parse")
        names = [asked.what.model] if asked.what.compare is None else [asked.what.model, asked.what.compare]
        models = [composed(state, name, asked.what.runtime) for name in names]
        opened = [each for each, _ in models]
        if len(opened) > 1 and opened[0].card.classes != opened[1].card.classes:
            raise Problem("bad-value", f"{opened[0].card.id} and {opened[1].card.id} do not have the same classes in "
                          "the same order", field="compare", cure="compare models of the same data set")
        with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
            answer = _answer(asked, opened, wants_job, Path(folder), state, watch, stop)
        if isinstance(answer, Job):
            return answer
        return answer.model_copy(update={"route": models[0][1]})

    return work


def _answer(
    asked: Asked, opened: list[Opened], wants_job: bool | None, folder: Path, state: State, watch: Stopwatch,
    stop: threading.Event,
) -> Answered:
    settings, what = state.settings, asked.what
    source = None
    paths: list[Path] = []
    if asked.data is not None:
        for place, data in enumerate(asked.data):
            paths.append(folder / str(place))
            paths[-1].write_bytes(data)
        source = open_source(paths, Bounds.of(settings))
        count = min(len(source), what.limit or len(source))
    elif asked.images is not None:
        if wants_job:
            raise Problem("bad-value", "single images and labels do not make a job", field="job",
                          cure="send them as a zip of class folders in the field `data`")
        count = 0
    else:
        split = find_split(what.split, opened[0].card, state.splits)
        what = what.model_copy(update={"split": split.card.name})
        count = min(split.card.count, what.limit or split.card.count)
    if wants_job or (wants_job is None and count > settings.evaluate_at_once):
        return _submit(what, opened, source, paths, count, state)
    materials = [_material(asked, what, each, source, state, stop) for each in opened]
    watch.mark("decode")
    answer = run_trials(opened, materials, batch_size=what.batch_size, stop=stop)
    watch.mark("infer")
    return answer


def _material(
    asked: Asked, what: EvaluateRequest, opened: Opened, source: Source | None, state: State, stop: threading.Event
) -> Arrays | Uploaded:
    if source is not None:
        return Uploaded(source, opened.card, state.settings, what.limit, partial(proceed, stop))
    if asked.images is not None and asked.labels is not None:
        return from_form(asked.images, asked.labels, opened.card, state.settings, stop)
    return from_split(what.split, what.limit, opened.card, state.splits, state.settings)


def _submit(
    what: EvaluateRequest, opened: list[Opened], source: Source | None, paths: list[Path], count: int, state: State
) -> Job:
    """Make it a job, after all that can be told now was told."""
    check_count(count, state.settings.max_evaluate_images)
    for each in opened:
        if source is not None:
            Uploaded(source, each.card, state.settings, what.limit)  # unknown labels are told at once
        else:
            find_split(what.split, each.card, state.splits)
    contenders = tuple(
        _contender(name, each, what.runtime, state)
        for name, each in zip([what.model, what.compare], opened, strict=False)
    )
    plan = Plan(
        contenders, what.runtime or state.settings.runtime, what.batch_size, count, len(opened[0].card.classes),
        split=None if source is not None else what.split,
        split_sha256=None if source is not None else state.splits[what.split or ""].card.sha256,
        limit=what.limit, files=len(paths),
    )
    return state.desk.submit(plan, paths)


def _contender(name: str | None, opened: Opened, runtime: str | None, state: State) -> Contender:
    """What a name stands for now, so that the job is about that whatever happens to the name."""
    called = name or state.shelf.default()
    route = state.book.routes.get(called) if called else None
    card = opened.card.id
    small = state.shelf.open(state.shelf.find(card), runtime)
    if route is None or route.cascade is None:
        return Contender(card, fingerprint(small), called if route else None)
    large = state.shelf.open(state.shelf.find(route.cascade.large), runtime)
    if mismatch := differ(small, large):
        raise Problem("not-ready", f"route {called}: {mismatch}", field="model")
    return Contender(card, fingerprint(small), called, large.card.id, fingerprint(large), route.cascade.threshold)


def _read(body: bytes, content_type: str, query: QueryParams, settings: Settings) -> Asked:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return Asked(_from_json(body, query))
    if media_type == "multipart/form-data":
        return _from_form(body, content_type, query, settings)
    raise Problem("unsupported-media-type", f"the body's type is {media_type[:80]!r}", field="Content-Type",
                  cure="send application/json to use a split of /splits, or labelled images as a form")


def _from_json(body: bytes, parameters: QueryParams) -> EvaluateRequest:
    query = read_query(parameters, FIELDS)
    sent = parse_json(body, EvaluateRequest)
    told = sent.model_dump(include=sent.model_fields_set)
    return checked({name: merge(name, query, told, _reader(name)) for name in FIELDS}, EvaluateRequest)


def _from_form(body: bytes, content_type: str, parameters: QueryParams, settings: Settings) -> Asked:
    query = read_query(parameters, FORM_FIELDS)
    parts = parse_form(body, content_type, max_parts=2 * settings.max_evaluate_images + SPARE_PARTS)
    images = [bytes(part.data) for part in parts if part.name in IMAGE_FIELDS]
    data = [bytes(part.data) for part in parts if part.name == DATA]
    if len(data) > MOST_FILES:
        raise Problem("bad-value", f"there are {len(data)} files of data", field=DATA, limit=MOST_FILES,
                      cure="send one, or a pair of IDX files, or a CSV file with a zip")
    labels = [part.text() for part in parts if part.name == "labels"]
    plain = [part for part in parts if part.name not in (*IMAGE_FIELDS, "labels", DATA)]
    told = {name: _reader(name)(text) for name, text in texts_of(plain, FORM_FIELDS).items()}
    asked = checked({name: merge(name, query, told, _reader(name)) for name in FORM_FIELDS}, EvaluateRequest)
    if not data:
        if asked.limit is not None:
            raise Problem("bad-value", "limit is for splits and for data", field="limit", cure="leave it out")
        return Asked(asked, images=images, labels=read_labels(labels, settings.max_evaluate_images))
    if images or labels:
        raise Problem("contradiction", "both data and single images or labels are given", field=DATA,
                      cure="send one of them")
    return Asked(asked, data=data)


def _reader(name: str) -> Callable[[str], Any]:
    if name == "job":
        return _read_switch
    return read_whole(name) if name in ("limit", "batch_size") else str


def _read_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Problem("bad-value", f"job is {shorten(text)}", field="job", cure="send true or false")
    return text.lower() == "true"


def _late(settings: Settings) -> Problem:
    limit_s = settings.job_limit_s
    return Problem("answer-timeout", f"no result after {limit_s:g} s", limit=limit_s,
                   cure="send fewer or smaller images, or raise WEIGHBRIDGE_JOB_LIMIT_S on the server")


def _busy(state: State) -> Problem:
    wait_s = max(1, math.ceil(state.evaluation_s))
    return Problem("overloaded", f"{state.evaluating} evaluations are running", limit=state.settings.max_evaluations,
                   cure=f"try again in {wait_s} s, or raise WEIGHBRIDGE_MAX_EVALUATIONS on the server",
                   retry_after_s=wait_s)
