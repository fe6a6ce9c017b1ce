"""Our own client reads whatever HTTP/1.1 allows, and does not blame a server for what it cannot read itself."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.peers.client import Tally, send

REQUEST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
LENGTH = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello")
CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n")
CLOSING = (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", b"hello")
REFUSAL = (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n")
BROKEN_OFF = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", b"hel")
NO_HTTP = (b"+OK POP3 server ready\r\n\r\n",)


@contextmanager
def answering(parts: tuple[bytes, ...]) -> Iterator[tuple[str, int]]:
    """A server that sends each part by itself and hangs up where it said so."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65536):
                for part in parts:
                    self.request.sendall(part)
                if b"Connection: close" in parts[0]:
                    break

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join()


def load(parts: tuple[bytes, ...], rate: float = 50) -> Tally:
    with answering(parts) as address:
        return send(address, REQUEST, rate=rate, seconds=0.4, connections=2, warmup=0)


@pytest.mark.parametrize("parts", [LENGTH, CHUNKED, CLOSING])
def test_every_answer_is_read_however_its_length_is_told(parts: tuple[bytes, ...]) -> None:
    tally = load(parts)

    assert len(tally.latencies) == 20
    assert (tally.not_200, tally.broken, tally.unread) == (0, 0, 0)


@pytest.mark.parametrize("parts", [CHUNKED, CLOSING])
def test_one_request_after_the_other_goes_on_as_well(parts: tuple[bytes, ...]) -> None:
    tally = load(parts, rate=0)

    assert len(tally.latencies) > 2
    assert (tally.not_200, tally.broken, tally.unread) == (0, 0, 0)


def test_a_refusal_in_chunks_is_a_refusal() -> None:
    assert load(REFUSAL).not_200 == 20


def test_an_answer_that_breaks_off_is_the_servers_fault() -> None:
    tally = load(BROKEN_OFF)

    assert (len(tally.latencies), tally.broken, tally.unread) == (0, 20, 0)


def test_an_answer_that_cannot_be_read_is_not_the_servers_fault() -> None:
    tally = load(NO_HTTP)

    assert (len(tally.latencies), tally.broken, tally.unread) == (0, 0, 20)
