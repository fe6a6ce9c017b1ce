"""One request on its way through the service: its id, its stopwatch, and what the metrics will want to know."""

from __future__ import annotations

import re
import secrets
from typing import Any

from starlette.requests import Request

from service.stopwatch import Stopwatch

KEY = "weighbridge.visit"
SANE = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


class Visit:
    """Made by the outermost middleware, kept in the ASGI scope."""

    __slots__ = ("headers", "id", "images", "model", "runtime", "status", "watch")

    def __init__(self, asked_id: str | None = None) -> None:
        self.watch = Stopwatch()
        self.id = asked_id if asked_id and SANE.fullmatch(asked_id) else secrets.token_hex(8)
        self.status = 0
        self.images = 0
        self.model: str | None = None    # name@version, set once it is known to exist
        self.runtime: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []  # more for the answer


def visit_of(request: Request) -> Visit:
    """The visit of a request."""
    found: Any = request.scope[KEY]
    assert isinstance(found, Visit)
    return found
