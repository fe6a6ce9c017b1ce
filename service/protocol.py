"""The part of a request before there is one: its head, which uvicorn reads without a limit of size or time.

A client that sends headers without end would fill the memory, one that sends them drop by drop would hold a connection
for ever, and neither ever reaches a middleware. Here both are refused with the same problem JSON as everything else,
and so is what is not HTTP at all. Between and behind the pieces of a body there is room for more of the same: what a
chunk's size is followed by, and trailers.

Where requests before are still being answered, the problem waits for its turn.

A connection that never sent a byte is closed without a word: a proxy that keeps some ready could take the problem for
the answer to its next request. All are counted, and logged once a minute at most, for whoever likes can make many.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from functools import partial
from typing import Any

import uvicorn.config
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.cycle import Cycle
from service.metrics import Metrics
from service.problems import MEDIA_TYPE, Problem
from service.settings import Settings

LOG_EVERY_S = 60.0
PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}
logger = logging.getLogger("weighbridge")


class Careful(HttpToolsProtocol):
    """One connection. `max_head` bytes and `head_s` seconds are what the head of a request may take."""

    max_head = 65536
    head_s = 30.0
    metrics: Metrics | None = None
    next_line = 0.0  # when the log may have the next one, by time.monotonic

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.access_log = False  # ours says more, and is written after the answer
        self._in_head, self._in_body = True, False
        self._silent = True
        self._deaf = False  # nothing more is read: what came last is refused, after the answers that are owed
        self._seen = 0   # bytes of a head that is not complete
        self._aside = 0  # bytes since the last piece of a body that are none of it
        self._alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client that connects owes a request."""
        super().connection_made(transport)
        self._alarm = self.loop.call_later(self.head_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then look whether the head has had its share."""
        if self._deaf or self.transport.is_closing():
            return
        self._silent = False
        self._aside += len(data)
        super().data_received(data)
        if self._deaf or self.transport.is_closing():
            return
        if self._in_head:
            self._seen += len(data)
            if self._seen > self.max_head:
                self._refuse(Problem("head-too-large", f"the head of the request has more than {self.max_head} bytes",
                                     limit=self.max_head, cure="send fewer or shorter headers"))
            elif self._alarm is None:
                self._alarm = self.loop.call_later(self.head_s, self._too_slow)
        elif self._in_body and self._aside > self.max_head:
            self._refuse(Problem("head-too-large", f"more than {self.max_head} bytes are beside the body's chunks",
                                 limit=self.max_head, cure="send no trailers"))
        elif self._alarm is None and self.cycle is not None and self.cycle.response_complete:
            # An empty line between two requests: no head begins, and uvicorn has put its own timer away.
            self._alarm = self.loop.call_later(self.head_s, self._too_slow)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head, self._seen = True, 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, which the middleware counts."""
        self._aside = 0
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """The next chunk begins, or the trailers do."""
        self._aside = 0

    def on_message_complete(self) -> None:
        """Nothing of this request is still to come."""
        self._in_body = False
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """The head is complete; from here on the middleware watches."""
        if self._alarm is not None:
            self._disarm()
        super().on_headers_complete()  # which may refuse the address: then there is no such request
        self._in_head, self._in_body, self._aside = False, True, 0

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot read."""
        self._refuse(Problem("bad-request", msg, cure="send HTTP/1.1"))

    def _too_slow(self) -> None:
        self._alarm = None
        if self.transport.is_closing():
            return
        if not self._in_head:
            if self.cycle.response_complete:
                self.transport.close()
        elif self._silent:
            self._count("silence")
            self.transport.close()
        else:
            self._refuse(Problem("read-timeout", f"the head of the request did not arrive within {self.head_s:g} s",
                                 limit=self.head_s, cure="send it faster"))

    def _refuse(self, problem: Problem) -> None:
        """Say why and close, when it is its turn: a client takes answers for those of its requests, in their order."""
        self._count(problem.slug)
        cycle = self.cycle
        if self._in_body and (cycle.response_started or self.pipeline):  # this very request is answered, or not begun
            self.transport.close()
        elif self._in_body or cycle is None or cycle.response_complete:
            self._say(problem)
        else:  # the last of those that came before; it is told nowhere else that it has its answer
            self._deaf = True
            self._disarm()
            cycle.on_response = partial(self._say_at_last, problem)

    def _say_at_last(self, problem: Problem) -> None:
        self.on_response_complete()
        if not self.transport.is_closing():
            self._say(problem)

    def _say(self, problem: Problem) -> None:
        name = secrets.token_hex(8)
        body = problem.document(request_id=name).model_dump_json(exclude_none=True).encode()
        head = (f"HTTP/1.1 {problem.status} {PHRASES[problem.status]}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(body)}\r\nx-request-id: {name}\r\nconnection: close\r\n\r\n")
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _count(self, reason: str) -> None:
        if self.metrics is not None:
            self.metrics.connections.labels(reason).inc()
        now = time.monotonic()
        if now >= Careful.next_line:
            Careful.next_line = now + LOG_EVERY_S
            logger.warning("a connection from %s was refused before it had sent a request: %s; others within %g s are "
                           "only counted", self.client and self.client[0], reason, LOG_EVERY_S)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def install(settings: Settings, metrics: Metrics) -> None:
    """Every uvicorn server of this process that is left to choose takes `Careful`, whose answers are `Cycle`s."""
    Careful.head_s, Careful.metrics = settings.timeout_s, metrics
    httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]  # uvicorn has no other place to name it
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Careful.__name__}"
