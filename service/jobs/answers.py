"""GET /evaluate/jobs, GET and DELETE /evaluate/jobs/{id}, GET /evaluate/jobs/{id}/result and …/images."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.cells import images
from service.fields import read_query
from service.jobs.desk import PATH
from service.scorecard import chosen_format, render
from service.state import state_of
from service.wire import EvaluateAnswer, JobList


async def jobs(request: Request) -> Response:
    """Answer GET /evaluate/jobs."""
    found = await run_in_threadpool(state_of(request).desk.all)
    return Response(JobList(jobs=found).model_dump_json(exclude_none=True), media_type="application/json")


async def job(request: Request) -> Response:
    """Answer GET and DELETE /evaluate/jobs/{id}; 204 where a job that had ended is now forgotten."""
    desk, name = state_of(request).desk, request.path_params["id"]
    ask = desk.cancel if request.method == "DELETE" else desk.find
    found = await run_in_threadpool(ask, name)
    if found is None:
        return Response(status_code=204)
    return Response(found.model_dump_json(exclude_none=True), media_type="application/json")


async def result(request: Request) -> Response:
    """Answer GET /evaluate/jobs/{id}/result, as JSON, CSV or HTML."""
    query = read_query(request.query_params, ("format",))
    kind = chosen_format(query, request.headers.get("accept", ""))
    found = await run_in_threadpool(state_of(request).desk.result, request.path_params["id"])
    return await run_in_threadpool(lambda: render(EvaluateAnswer.model_validate_json(found), kind))


ROUTES = (
    Route(PATH, jobs),
    Route(f"{PATH}/{{id}}", job, methods=["GET", "DELETE"]),
    Route(f"{PATH}/{{id}}/result", result),
    Route(f"{PATH}/{{id}}/images", images),
)
