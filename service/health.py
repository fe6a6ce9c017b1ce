"""/livez, /readyz and /metrics, which say what is true and not what is hoped.

Live: the event loop answers. Ready: loading has ended and the default model is ready; other models may have failed,
and are listed with the reason. A model is ready only after its golden vectors came out right on this machine.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.problems import Problem
from service.shelf import STILL_LOADING, Shelf
from service.state import state_of
from service.wire import ModelReadiness, Readiness


async def livez(request: Request) -> Response:  # noqa: ARG001 - the signature of a route
    """200 as long as this process answers at all."""
    return PlainTextResponse("alive\n")


async def readyz(request: Request) -> Response:
    """200 when traffic may come, else 503; the body says per model what is wrong."""
    state = readiness(state_of(request).shelf)
    body = state.model_dump_json(exclude_none=True)
    return Response(body, 200 if state.ready else 503, media_type="application/json")


async def metrics(request: Request) -> Response:
    """Prometheus text."""
    state = state_of(request)
    for entry in state.shelf:
        state.metrics.ready.labels(entry.id).set(entry.state == "ready")
    return Response(await run_in_threadpool(state.metrics.text), headers={"Content-Type": CONTENT_TYPE_LATEST})


def readiness(shelf: Shelf) -> Readiness:
    """The state of every model, and whether this worker may take traffic."""
    models = [ModelReadiness(model=entry.id, state=entry.state, reason=entry.reason) for entry in shelf]
    if not shelf.loaded:
        return Readiness(ready=False, reason=STILL_LOADING, models=models)
    try:
        shelf.find(None)
    except Problem as problem:
        return Readiness(ready=False, reason=problem.detail, models=models)
    return Readiness(ready=True, models=models)
