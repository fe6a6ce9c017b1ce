"""What happens around every route, one concern each, outermost first in `routes.build`. Plain ASGI, no base class.

    Observed   request id, Server-Timing and the security headers on every answer; metrics, log, traces after it
    Enveloped  whatever goes wrong below becomes problem JSON; nothing escapes, nothing hangs
    Guarded    only who holds an API key gets further, where keys are wanted (keys.py)
    Limited    a body that is announced or turns out too large, or too slow, is refused without being kept, and so is
               one for which the others leave no room (bodies.py)
    Short      the one address that must be quick is found without asking every route
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.afterwards import Afterwards
from service.bodies import Bodies
from service.metrics import Metrics
from service.oip.errors import oip_error, speaks_oip
from service.predict import BatchError
from service.problems import Problem
from service.settings import Settings
from service.visit import KEY, Visit

logger = logging.getLogger("weighbridge")
DRAIN_S = 5.0  # how long the rest of a refused body is listened to
CLIENT_GONE = 499  # nginx's number for a client that left; only the metrics see it
SAFE = [  # what a browser must know of pages is in browse.py
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Observed:
    """Makes the Visit, stamps the answer, counts it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, after: Afterwards | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = scope[KEY] = Visit(dict(scope["headers"]))
        counted = False

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                visit.watch.mark("encode")
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", visit.id.encode()),
                    (b"server-timing", visit.watch.header().encode()),
                    *visit.headers,
                    *SAFE,
                ]
            else:
                visit.bytes_out += len(message.get("body", b""))
                if not message.get("more_body", False):
                    count()  # before it goes: whatever a client has received was counted, come what may to this worker
            await send(message)

        def count() -> None:
            nonlocal counted
            if not counted:
                counted = True
                route = getattr(scope.get("route"), "path", "unmatched")
                self.metrics.observe(visit, route, _bounded_method(scope["method"]))

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, stamped)
        finally:
            self.metrics.in_flight.dec()
            visit.status = visit.status or CLIENT_GONE
            count()
            if self.after is not None:
                route = getattr(scope.get("route"), "path", "unmatched")
                self.after.add(visit, _bounded_method(scope["method"]), route, scope["path"])


class Enveloped:
    """Turns every exception into an answer."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or explain why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit: Visit = scope[KEY]
        errors = None
        try:
            await self.app(scope, receive, send)
            return
        except ClientDisconnect:
            return
        except Problem as raised:
            problem = raised
        except BatchError as failed:
            problem = failed.problems[0]
            errors = [each.document() for each in failed.problems] if len(failed.problems) > 1 else None
        except asyncio.CancelledError:
            # uvicorn does so to what has no answer by the end of --timeout-graceful-shutdown. Nobody awaits this task,
            # and what it leaves unsaid would be said for it: 500, in plain text.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            problem = Problem("ending", "the server ends, and the answer was not ready in time",
                              cure="send it again: to another server, or when this one is back", retry_after_s=1)
        except Exception:
            logger.exception("request %s failed", visit.id)
            problem = Problem("internal-error", "the request could not be answered", cure=f"report request {visit.id}")
        problem.__traceback__ = None  # it leads back here: the circle would keep the request's body, and its model
        if visit.status:  # the answer has begun; there is no way to take it back
            return
        self.metrics.problems.labels(problem.slug).inc()
        if visit.model is not None:
            self.metrics.refused.labels(visit.model, problem.slug).inc()
        spoken = speaks_oip(scope["path"])
        answer = oip_error(problem) if spoken else problem.response(visit.id, errors)
        if not visit.unread:
            await answer(scope, receive, send)
            return
        # A client that is still sending would see its connection reset instead of the answer, so: answer, then listen
        # until it has understood, and only then end the answer.
        # What it sends meanwhile is read as this body, also a next request: so there must be none on this connection.
        headers = [*answer.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                    pass
        await send({"type": "http.response.body", "body": b""})


class Limited:
    """Counts the bytes of the body as they come, whatever Content-Length says, and the seconds they take."""

    def __init__(self, app: ASGIApp, *, settings: Settings, bodies: Bodies) -> None:
        self.app = app
        self.bodies = bodies
        self.max_bytes = settings.max_body_bytes
        self.timeout_s = settings.timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit: Visit = scope[KEY]
        announced = visit.sent.get(b"content-length")
        if announced is not None and announced.isdigit():
            visit.unread = True  # until it is known to be wanted
            if int(announced) > self.max_bytes:
                raise self._too_large(f"{int(announced)} bytes were announced")
            self.bodies.expect(int(announced))
            visit.unread = False
        seen = 0
        complete = late = False
        alarm: asyncio.TimerHandle | None = None

        def ring(reader: asyncio.Task[object]) -> None:
            nonlocal late
            late = True
            reader.cancel()

        async def counted() -> Message:
            nonlocal seen, complete, alarm
            if complete:  # what comes now is the client leaving, and it may take its time
                return await receive()
            if alarm is None:  # asyncio.timeout around every piece would cost as much as a small model
                reader = asyncio.current_task()
                assert reader is not None
                alarm = asyncio.get_running_loop().call_later(self.timeout_s, ring, reader)
            try:
                message = await receive()
            except asyncio.CancelledError:
                if late and (task := asyncio.current_task()) is not None:
                    task.uncancel()
                    visit.unread = True
                    raise Problem("read-timeout", f"the body did not arrive within {self.timeout_s:g} s",
                                  limit=self.timeout_s, cure="send it faster, or in smaller requests") from None
                raise
            more = len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if complete:
                alarm.cancel()
            visit.unread = not complete  # should the next line or the one after it refuse the rest
            if seen + more > self.max_bytes:
                raise self._too_large(f"more than {self.max_bytes} bytes came")
            self.bodies.take(seen, more)
            seen += more
            visit.unread = False
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            if alarm is not None:
                alarm.cancel()
            self.bodies.let_go(seen)

    def _too_large(self, detail: str) -> Problem:
        return Problem("body-too-large", f"{detail}, the limit is {self.max_bytes}", limit=self.max_bytes,
                       cure="send fewer or smaller images, or raise WEIGHBRIDGE_MAX_BODY_BYTES on the server")


class Short:
    """Hands requests for one route straight to its endpoint."""

    def __init__(self, app: ASGIApp, *, route: Route) -> None:
        self.app = app
        self.route = route
        self.path = route.path
        self.endpoint: ASGIApp = route.endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == self.path and scope["method"] == "POST":
            scope["route"] = self.route
            await self.endpoint(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _bounded_method(method: str) -> str:
    return method if method in ("GET", "POST", "HEAD") else "other"


async def unrouted(request: Request, error: Exception) -> Response:
    """The router's own refusals as problems."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        raise Problem("not-found", f"nothing answers at {request.url.path[:200]!r}", cure="see / for the addresses")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "GET, POST")
        raise Problem("method-not-allowed", f"{request.method[:20]} is not answered", cure=f"use {allow}", allow=allow)
    raise Problem("bad-request", str(error.detail))
