"""/livez, /readyz and /metrics, which say what is true and not what is hoped.

Live: the event loop answers. Ready: loading has ended, the default model is ready and the routes are known; other
models may have failed, and are listed with the reason. A model is ready only after its golden vectors came out right
on this machine.
"""

from __future__ import annotations

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.problems import Problem
from service.routing import front
from service.shelf import STILL_LOADING
from service.state import State, state_of
from service.trouble import Trouble
from service.wire import ModelReadiness, Readiness

BEAT_S = 1.0


async def livez(request: Request) -> Response:  # noqa: ARG001 - the signature of a route
    """200 as long as this process answers at all."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """200 when traffic may come, else 503; the body says per model what is wrong."""
    state = readiness(state_of(request))
    body = state.model_dump_json(exclude_none=True)
    return Response(body, 200 if state.ready else 503, media_type="application/json")


async def metrics(request: Request) -> Response:
    """Prometheus text."""
    state = state_of(request)
    tell_ready(state)
    return Response(await run_in_threadpool(state.metrics.text), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def beat(state: State) -> None:
    """Once a second, tell the metrics what changes without anybody counting, so that any worker's answer has it."""
    state.metrics.started()
    trouble = Trouble("telling the metrics")
    while True:
        try:
            tell_ready(state)
            state.metrics.beat(state.dispatch.depth())
            trouble.over()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
            trouble.tell(error)
        await asyncio.sleep(BEAT_S)


def readiness(state: State) -> Readiness:
    """The state of every model, and whether this worker may take traffic."""
    shelf, book = state.shelf, state.book
    models = [ModelReadiness(model=entry.id, state=entry.state, reason=entry.reason) for entry in shelf]
    if not shelf.loaded:
        return Readiness(ready=False, reason=STILL_LOADING, models=models)
    try:
        front(shelf, book, None)
    except Problem as problem:
        return Readiness(ready=False, reason=problem.detail, models=models, routes=book.problem)
    if not book.known:  # a default of `name@version` is answered, other names are not
        return Readiness(ready=False, reason=book.problem, models=models, routes=book.problem)
    return Readiness(ready=True, models=models, routes=book.problem)


def tell_ready(state: State) -> None:
    """Bring `weighbridge_model_ready` and `weighbridge_routes_valid` of this worker up to date.

    A version that failed is 0. One that is gone or was unloaded is told of no more: nobody has to be woken for it.
    """
    state.metrics.tell_ready({entry.id: entry.state == "ready" for entry in state.shelf if entry.state != "unloaded"})
    state.metrics.routes_valid.labels().set(state.book.problem is None)
