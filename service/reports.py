"""GET /reports: the HTML reports of weighing and training that lie on this machine, and each of them.

A report is a file of the operator's with its scripts inside, so it is sent with a policy that puts it into an origin of
its own: opened in a browser it cannot reach this server, its pages or a key they hold. No path is built from a request;
what is asked for is looked up among the files that were found.
"""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.browse import SANDBOX
from service.problems import Problem
from service.settings import Settings
from service.state import state_of
from service.wire import Report, ReportList

KINDS = {"decision.html": "weighing", "report.html": "comparison", "training-report.html": "training"}
MOST = 200             # reports that are listed, the newest first
MOST_BYTES = 32 * 2**20
PATH = "/reports"


async def reports(request: Request) -> Response:
    """Answer GET /reports."""
    found = await run_in_threadpool(find, state_of(request).settings)
    listed = [
        Report(kind=KINDS[path.name], run=run, file=path.name, created=stat.st_mtime, size_bytes=stat.st_size,
               url=f"{PATH}/{run}/{path.name}")
        for (run, _), path in found.items() if (stat := path.stat())
    ]
    listed.sort(key=lambda each: each.created, reverse=True)
    return Response(ReportList(reports=listed[:MOST]).model_dump_json(), media_type="application/json")


async def report(request: Request) -> Response:
    """Answer GET /reports/{run}/{file}."""
    wanted = request.path_params["run"], request.path_params["file"]
    found = await run_in_threadpool(find, state_of(request).settings)
    if wanted not in found:
        raise Problem("not-found", f"there is no report {'/'.join(wanted)[:80]!r}", cure=f"see {PATH}")
    content = await run_in_threadpool(found[wanted].read_bytes)
    headers = {"Content-Security-Policy": SANDBOX, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    return Response(content, media_type="text/html", headers=headers)


def find(settings: Settings) -> dict[tuple[str, str], Path]:
    """Every report by its run and file name. Runs are folders, a root itself among them; of two that are called alike
    the second is `name~2`."""
    found: dict[tuple[str, str], Path] = {}
    runs: dict[str, Path] = {}
    for root in settings.reports:
        paths = [path for name in KINDS for path in (root / name, *sorted(root.glob(f"*/{name}")))]
        for path in paths:
            if not path.is_symlink() and _size(path) <= MOST_BYTES:
                found[_run_of(path.parent.resolve(), runs), path.name] = path
    return found


def _run_of(folder: Path, runs: dict[str, Path]) -> str:
    """The name of a folder among `runs`, which remembers it; another one than every other folder has."""
    names = (folder.name if place == 1 else f"{folder.name}~{place}" for place in count(1))
    return next(name for name in names if runs.setdefault(name, folder) == folder)


def _size(path: Path) -> float:
    """Bytes of a file; endless where there is none, or none any more."""
    try:
        return path.stat().st_size if path.is_file() else math.inf
    except OSError:
        return math.inf
