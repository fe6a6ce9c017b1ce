"""The sender against sockets that misbehave, in one process and in fractions of a second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.load.payloads import Payloads
from benchmarks.load.plan import Plan
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import FAILED, OK, TIMEOUT, Rows
from benchmarks.load.sender import Sender

BODY = b'{"predictions": [{"index": 1}]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
Talk = Callable[[socket.socket, int], None]


def hear(connection: socket.socket) -> bytes:
    """One whole request."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1])
    while len(body) < length:
        body += connection.recv(1 << 20)
    return bytes(body)


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """Speaks `talk(connection, number)` on every connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            for number in range(1000):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=speak, args=(connection, number), daemon=True).start()

        def speak(connection: socket.socket, number: int) -> None:
            with connection:
                try:
                    talk(connection, number)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def sent(url: str, body: bytes = b"x", **plan: object) -> Rows:
    payloads = Payloads("application/octet-stream", [body], np.array([1], np.int16), np.array([0], np.int32))
    recorder = Recorder(labels=payloads.labels, images=payloads.images)
    settings = {"arrival": "closed", "seconds": 0.2, "warmup": 0.0} | plan
    sender = Sender(Plan(name="x", model="toy@1", **settings), payloads, recorder, url)
    sender.run()
    return recorder.rows()


def test_a_connection_closed_while_idle_costs_no_request() -> None:
    def once(connection: socket.socket, _number: int) -> None:
        hear(connection)
        connection.sendall(ANSWER)  # says nothing about closing, and closes

    with server(once) as url:
        rows = sent(url, seconds=0.1, connections=3)

    assert len(rows) > 3
    assert rows.count(OK) == len(rows)


def test_a_connection_closed_instead_of_an_answer_fails_its_request() -> None:
    def deaf(connection: socket.socket, _number: int) -> None:
        hear(connection)

    with server(deaf) as url:
        rows = sent(url, seconds=0.05)

    assert rows.count(FAILED) == len(rows) > 0


def test_of_several_addresses_the_one_that_somebody_listens_at_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(connection: socket.socket, _number: int) -> None:
        if hear(connection):  # nothing comes from who only looks whether somebody listens
            connection.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as free:
        deaf = free.getsockname()[1]  # where nobody listens any more
    with server(once) as url:
        port = int(url.rsplit(":", 1)[1])
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in (deaf, port)]
        monkeypatch.setattr("benchmarks.load.poll.socket.getaddrinfo", lambda *_, **__: found)
        rows = sent(url)

    assert rows.count(OK) == len(rows) > 0


def test_nobody_listening_is_a_failure_and_not_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    rows = sent(f"http://127.0.0.1:{port}", arrival="poisson", rate=100.0)

    assert rows.count(FAILED) == len(rows) > 0


def test_a_silent_server_times_out_and_the_schedule_is_kept() -> None:
    def silent(connection: socket.socket, _number: int) -> None:
        hear(connection)
        connection.recv(1)

    with server(silent) as url:
        rows = sent(url, arrival="poisson", rate=100.0, timeout=0.3)

    assert rows.count(TIMEOUT) == len(rows) > 5
    assert np.all(rows.service_us >= 300_000)


def test_a_body_larger_than_the_sockets_can_hold_arrives_whole() -> None:
    body, heard = np.random.default_rng(0).bytes(20_000_000), []

    def ample(connection: socket.socket, _number: int) -> None:
        heard.append(hear(connection))
        connection.sendall(ANSWER)

    with server(ample) as url:
        rows = sent(url, body=body, at_least=1, seconds=0.01)

    assert rows.count(OK) == len(rows) > 0
    assert heard[0] == body


def test_an_answer_in_pieces_is_one_answer() -> None:
    def drip(connection: socket.socket, _number: int) -> None:
        while hear(connection):
            for k in range(0, len(ANSWER), 20):
                connection.sendall(ANSWER[k:k + 20])

    with server(drip) as url:
        rows = sent(url)

    assert rows.count(OK) == len(rows) > 0


def test_connections_take_turns() -> None:
    asked: list[int] = []
    four = threading.Event()

    def count(connection: socket.socket, number: int) -> None:
        if number >= 3:
            four.set()
        while hear(connection):
            four.wait(5)  # so that four are open before the first is free again
            asked.append(number)
            connection.sendall(ANSWER)

    with server(count) as url:
        rows = sent(url, arrival="poisson", rate=300.0, seconds=0.5)

    # The last one free would be asked again and again, and the others never more.
    assert rows.count(OK) == len(rows)
    assert np.bincount(asked).min() > 3


def test_the_warm_up_goes_on_until_the_server_is_steady() -> None:
    def warming(connection: socket.socket, _number: int) -> None:
        pause = 0.03
        while hear(connection):
            time.sleep(pause)
            pause *= 0.95
            connection.sendall(ANSWER)

    payloads = Payloads("application/octet-stream", [b"x"], np.array([1], np.int16), np.array([0], np.int32))
    recorder = Recorder(labels=payloads.labels, images=payloads.images)
    plan = Plan(name="x", model="toy@1", arrival="closed", seconds=0.2, warmup=0.1, warmup_most=5.0)
    with server(warming) as url:
        sender = Sender(plan, payloads, recorder, url)
        sender.run()

    account, rows = sender.account()["warmup"], recorder.rows()
    assert account["steady"]
    assert 0.1 < account["seconds"] < 5.0
    assert rows.measured.intended.min() >= account["seconds"] * 1e6
    assert np.median(rows.measured.service_us) < rows.service_us[0]
