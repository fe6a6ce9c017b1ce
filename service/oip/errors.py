"""A Problem in this protocol's form: {"error": one sentence}. Its stable name goes into X-Weighbridge-Problem."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from service.problems import Problem

HEADER = "X-Weighbridge-Problem"


def speaks_oip(path: str) -> bool:
    """Whether what goes wrong at this address is to be said in this protocol's form."""
    return path == "/v2" or path.startswith("/v2/")


def oip_error(problem: Problem) -> Response:
    """The HTTP answer for a problem."""
    where = f"{problem.field}: " if problem.field else ""
    cure = f"; {problem.cure}" if problem.cure else ""
    headers = {**problem.headers, HEADER: problem.slug}
    return JSONResponse({"error": f"{where}{problem.detail}{cure}"}, problem.status, headers)
