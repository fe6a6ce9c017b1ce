"""Pages for people: / to try the models, /docs to read the API, /docs.json for programs. Nothing is fetched from
elsewhere, and no path is built from a request: the files are read once, by name."""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from service.openapi import document
from service.problems import Problem
from service.state import state_of

FOLDER = Path(__file__).parent / "pages"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
SAFE = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}


async def index(request: Request) -> Response:  # noqa: ARG001 - the signature of a route
    """The page that tries an image on every model."""
    return _file("index.html")


async def docs(request: Request) -> Response:  # noqa: ARG001
    """The OpenAPI document, readable."""
    return _file("docs.html")


async def page(request: Request) -> Response:
    """A style sheet or script of the pages."""
    return _file(request.path_params["file"])


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return Response(json.dumps(document(state_of(request).settings)), media_type="application/json")


def _file(name: str) -> Response:
    if name not in FILES:
        raise Problem("not-found", f"there is no page {name[:80]!r}", cure="see /")
    return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=SAFE)
