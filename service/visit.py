"""One request on its way through the service: its id, its stopwatch, and what the metrics will want to know."""

from __future__ import annotations

import random
import re
from typing import Any

from starlette.requests import Request

from service.stopwatch import Stopwatch

KEY = "weighbridge.visit"
SANE = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")


class Visit:
    """Made by the outermost middleware, kept in the ASGI scope."""

    __slots__ = ("bytes_out", "headers", "id", "images", "model", "runtime", "sent", "status", "unread", "watch")

    def __init__(self, sent: dict[bytes, bytes]) -> None:
        self.watch = Stopwatch()
        self.sent = sent  # the request's headers
        asked = sent.get(b"x-request-id")
        self.id = asked.decode() if asked and SANE.fullmatch(asked) else f"{random.getrandbits(64):016x}"
        self.unread = False  # the rest of a refused body is still to come
        self.status = 0
        self.bytes_out = 0
        self.images = 0
        self.model: str | None = None    # name@version, set once it is known to exist
        self.runtime: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []  # more for the answer


def visit_of(request: Request) -> Visit:
    """The visit of a request."""
    found: Any = request.scope[KEY]
    assert isinstance(found, Visit)
    return found
