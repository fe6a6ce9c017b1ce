"""An answer leaves in one write, and its bytes are those that uvicorn would have sent."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.cycle import Cycle

DATE = (b"date", b"Sat, 21 Nov 2026 12:00:00 GMT")
Message = dict[str, Any]


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def speak(kind: type[RequestResponseCycle], messages: list[Message], *, method: str = "POST",
          keep_alive: bool = True) -> tuple[list[bytes], bool, list[int], str]:
    """What went over the wire, whether it was closed, how often the end was told, and the error."""
    wire, ends, error = Wire(), list[int](), ""

    async def run() -> None:
        nonlocal error
        cycle = kind({"method": method, "type": "http"}, wire, FlowControl(wire), logging.getLogger(),  # type: ignore[arg-type]
                     logging.getLogger(), access_log=False, default_headers=[DATE], message_event=asyncio.Event(),
                     expect_100_continue=False, keep_alive=keep_alive, on_response=lambda: ends.append(1))
        try:
            for message in messages:
                await cycle.send(message)
        except RuntimeError as raised:
            error = str(raised)

    anyio.run(run)
    return wire.writes, wire.closed, ends, error


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes, **more: Any) -> Message:
    return {"type": "http.response.body", "body": data, **more}


def length(data: bytes) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % len(data)


def test_an_answer_of_known_length_is_one_write() -> None:
    writes, closed, ends, _ = speak(Cycle, [start(length(b"hello")), body(b"hello")])

    assert len(writes) == 1
    assert writes[0].startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert writes[0].endswith(b"\r\ncontent-length: 5\r\n\r\nhello")
    assert (closed, ends) == (False, [1])


ANSWERS = [
    [start(length(b"x")), body(b"x")],
    [start(length(b"")), body(b"")],
    [start(), body(b"of unknown length")],
    [start(length(b"ab")), body(b"a", more_body=True), body(b"b")],
    [start(length(b"ab"), (b"connection", b"close")), body(b"ab")],
    [start((b"transfer-encoding", b"chunked")), body(b"ab")],
    [start(status=204), body(b"")],
    [start(length(b"too long")), body(b"too long, really")],
    [start(length(b"too short")), body(b"too")],
    [start(length(b"x"), (b"x-name", b"a\r\nset-cookie: stolen")), body(b"x")],
    [start(length(b"x"), (b"x-name", b"a\nb")), body(b"x")],
    [start(length(b"x"), (b"x-name", b"a\0b")), body(b"x")],
    [start((b"Content-Length", b"1")), body(b"x")],
]


@pytest.mark.parametrize("messages", ANSWERS)
@pytest.mark.parametrize("method", ["POST", "HEAD"])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_every_kind_of_answer_is_what_uvicorn_makes_of_it(
    messages: list[Message], method: str, keep_alive: bool
) -> None:
    mine = speak(Cycle, messages, method=method, keep_alive=keep_alive)
    theirs = speak(RequestResponseCycle, messages, method=method, keep_alive=keep_alive)

    assert b"".join(mine[0]) == b"".join(theirs[0])
    assert mine[1:] == theirs[1:]


NAMES = st.from_regex(rb"[a-z][a-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: name not in (b"content-length", b"connection", b"transfer-encoding")
)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=6), st.binary(max_size=100), st.integers(200, 599))
def test_no_header_changes_what_goes_over_the_wire(
    headers: list[tuple[bytes, bytes]], data: bytes, status: int
) -> None:
    messages = [start(length(data), *headers, status=status), body(data)]
    mine, theirs = speak(Cycle, messages), speak(RequestResponseCycle, messages)

    assert (b"".join(mine[0]), mine[1:]) == (b"".join(theirs[0]), theirs[1:])
