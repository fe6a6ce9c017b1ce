"""POST /models/reload: bring every worker in line with the folders and the file of routes, and say what came of it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.health import readiness
from service.problems import Problem
from service.state import State, state_of
from service.wire import Readiness


async def reload(request: Request) -> Response:
    """Answer POST /models/reload. What did not change is left alone; what is refused changes nothing."""
    state = state_of(request)
    check_control(state)
    await request.body()
    await state.keeper.ask(lambda wish: wish.rescan())
    found: Readiness = readiness(state)
    return Response(found.model_dump_json(exclude_none=True), media_type="application/json")


def check_control(state: State) -> None:
    """Problem unless the operator lets clients change what is served."""
    if not state.settings.control:
        raise Problem("control-off", "models are not loaded, unloaded or reloaded through the API here",
                      cure="set WEIGHBRIDGE_CONTROL=true on the server")
