"""Pages for people: / to try, compare and watch the models, /docs to read the API, /docs.json for programs.

Nothing is fetched from elsewhere, and no path is built from a request: the files of `pages/` are read once, by name,
and kept as they are sent, packed where that pays. They are the same for everybody and hold nothing of this server, so
they need no API key; whatever the scripts ask for afterwards does.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.openapi import document
from service.problems import Problem
from service.settings import Settings
from service.state import state_of

FOLDER = Path(__file__).parent / "pages"
PREFIX = "/pages/"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
         ".txt": "text/plain"}
SAFE = {
    # No inline script or style, no plugin, no form that leads elsewhere, no frame around us. `frame-src` is the
    # sandboxed viewer of reports.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, and asked for anew by its ETag
    "Vary": "Accept-Encoding",
}
# The viewer writes a report of the operator's into itself. A report has its scripts inside; here they run in an origin
# of their own, without storage, keys or network.
VIEWER = "reports/viewer.html"
SANDBOX = ("sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
           "img-src data: blob:; frame-ancestors 'self'")
PACKED_FROM = 500  # bytes; packing less saves no packet


@dataclass(frozen=True)
class File:
    """One file as it is sent; `packed` is empty where packing does not pay."""

    content: bytes
    packed: bytes
    etag: str
    type: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """From disk."""
        content = path.read_bytes()
        packed = gzip.compress(content, 9, mtime=0) if len(content) >= PACKED_FROM else b""
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        return cls(content, packed if len(packed) < 0.9 * len(content) else b"", etag, TYPES[path.suffix])


FILES = {path.relative_to(FOLDER).as_posix(): File.read(path) for path in sorted(FOLDER.rglob("*"))
         if path.suffix in TYPES}
OPEN = frozenset({"/", "/docs", *(PREFIX + name for name in FILES)})  # addresses that need no key


async def index(request: Request) -> Response:
    """The page: try, leaderboard, evaluate, live and reports."""
    return _file(request, "index.html")


async def docs(request: Request) -> Response:
    """The OpenAPI document, readable."""
    return _file(request, "docs/docs.html")


async def page(request: Request) -> Response:
    """A style sheet, script or picture of the pages."""
    return _file(request, request.path_params["file"])


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return Response(await run_in_threadpool(_document, state_of(request).settings), media_type="application/json")


@lru_cache(maxsize=1)
def _document(settings: Settings) -> bytes:
    """It depends on nothing else, and takes a hundred times as long to make as to send."""
    return json.dumps(document(settings)).encode()


def _file(request: Request, name: str) -> Response:
    file = FILES.get(name)
    if file is None:
        raise Problem("not-found", f"there is no page {name[:80]!r}", cure="see /")
    headers = {**SAFE, "ETag": file.etag}
    if name == VIEWER:
        headers["Content-Security-Policy"] = SANDBOX
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.type, headers=headers)
