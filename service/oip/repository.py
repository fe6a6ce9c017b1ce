"""POST /v2/repository/...: what there is, and loading and unloading it, in every worker before the answer."""

from __future__ import annotations

from pydantic import RootModel
from starlette.requests import Request
from starlette.responses import Response

from service.fields import parse_json, shorten
from service.oip.about import oip_json
from service.oip.messages import IndexEntry, IndexRequest, RepositoryRequest, RepositoryState
from service.problems import Problem
from service.reload import check_control
from service.shelf import Entry
from service.state import State, state_of

MOST_BYTES = 65536
STATES: dict[str, RepositoryState] = {
    "ready": "READY", "loading": "LOADING", "failed": "UNAVAILABLE", "unloaded": "UNAVAILABLE",
}


class Index(RootModel[list[IndexEntry]]):
    """All versions, or only those that are ready."""


async def index(request: Request) -> Response:
    """Answer POST /v2/repository/index."""
    body = await _short_body(request)
    asked = parse_json(body, IndexRequest) if body else IndexRequest()
    return oip_json(Index([
        IndexEntry(name=entry.name, version=str(entry.version), state=STATES[entry.state], reason=entry.reason or "")
        for entry in state_of(request).shelf
        if entry.state == "ready" or not asked.ready
    ]))


async def load(request: Request) -> Response:
    """Answer POST /v2/repository/models/{model}/load, where model may be `name@version`."""
    state, name = await _checked(request, ())
    await state.keeper.ask(lambda wish: wish.load(name))
    refused = [entry for entry in _named(state, name) if entry.reason]
    if refused:
        reasons = "; ".join(f"{entry.id}: {entry.reason}" for entry in refused)
        raise Problem("load-refused", reasons, field="model", cure="export it again; what was served before goes on")
    return Response(status_code=200)


async def unload(request: Request) -> Response:
    """Answer POST /v2/repository/models/{model}/unload; requests that are being answered are."""
    state, name = await _checked(request, ("unload_dependents",))  # nothing depends on a model here
    await state.keeper.ask(lambda wish: wish.unload(name))
    return Response(status_code=200)


async def _checked(request: Request, parameters: tuple[str, ...]) -> tuple[State, str]:
    state, name = state_of(request), request.path_params["model"]
    check_control(state)
    body = await _short_body(request)
    asked = parse_json(body, RepositoryRequest) if body else RepositoryRequest()
    for each in asked.parameters:
        if each not in parameters:
            raise Problem("bad-value", f"{shorten(each)} is not read here", field="parameters",
                          cure="a model is loaded as its folder has it")
    if not state.shelf.has(name):
        raise Problem("unknown-model", f"there is no model {shorten(name)}", field="model",
                      cure="see /v2/repository/index")
    return state, name


async def _short_body(request: Request) -> bytes:
    """What is parsed between other requests must not take long."""
    body = await request.body()
    if len(body) > MOST_BYTES:
        raise Problem("body-too-large", f"the body has {len(body)} bytes, here the limit is {MOST_BYTES}",
                      limit=MOST_BYTES, cure="send what the protocol has for this address")
    return body


def _named(state: State, name: str) -> list[Entry]:
    return [entry for entry in state.shelf if name in (entry.name, entry.id)]
