"""The bodies of all clients of a worker together: bounded, and short requests get through."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from process import Process, running

from service.bodies import SHORT, Bodies
from service.metrics import Metrics
from service.problems import Problem

LIMIT = 1_000_000
RAW = {"Content-Type": "application/octet-stream"}
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"


@pytest.fixture(scope="module")
def narrow(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server with room for one body of the largest size."""
    with running(models, tmp_path_factory.mktemp("home"), WEIGHBRIDGE_DEFAULT_MODEL="toy",
                 WEIGHBRIDGE_MAX_BODY_BYTES=str(LIMIT), WEIGHBRIDGE_MAX_BODIES_BYTES=str(LIMIT)) as process:
        yield process


def held(process: Process) -> float:
    found = re.search(r"^weighbridge_body_bytes (\S+)$", httpx.get(f"{process.url}/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def begun(process: Process, size: int, head: bytes) -> socket.socket:
    """A client that has sent `size` bytes of its body, all of which have arrived."""
    before = held(process)
    host, port = process.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(HEAD + head + b"\r\n" + bytes(size))
    while held(process) < before + size:
        pass
    return connection


def test_large_bodies_wait_outside_while_small_requests_are_answered(narrow: Process) -> None:
    with begun(narrow, 900_000, b"Content-Length: 950000\r\n"):
        for _ in range(3):
            assert httpx.post(f"{narrow.url}/predict", content=bytes(16), headers=RAW).status_code == 200
        refused = httpx.post(f"{narrow.url}/predict", content=bytes(200_000), headers=RAW)

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["type"].endswith(":overloaded")
    assert refused.json()["limit"] == LIMIT
    assert "WEIGHBRIDGE_MAX_BODIES_BYTES" in refused.json()["cure"]


def test_a_body_whose_length_nobody_announced_is_counted_as_it_comes(narrow: Process) -> None:
    with begun(narrow, 900_000, b"Content-Length: 950000\r\n"):
        refused = httpx.post(f"{narrow.url}/predict", content=iter([bytes(50_000)] * 6), headers=RAW)

    assert refused.status_code == 503


def test_what_is_answered_refused_or_given_up_makes_room(narrow: Process) -> None:
    for connection in [begun(narrow, 900_000, b"Content-Length: 950000\r\n")]:
        connection.close()
    while held(narrow):
        pass
    for content in (bytes(160_000), bytes(900_001), b"x" * 900_000):
        httpx.post(f"{narrow.url}/predict", content=content, headers=RAW)

    assert held(narrow) == 0


def test_a_short_body_counts_from_the_byte_that_makes_it_long() -> None:
    bodies = Bodies(LIMIT, Metrics().bodies)

    bodies.take(0, SHORT)
    assert bodies.held == 0
    bodies.take(SHORT, 1)
    assert bodies.held == SHORT + 1
    with pytest.raises(Problem):
        bodies.take(SHORT + 1, LIMIT)
    bodies.let_go(SHORT + 1)
    assert bodies.held == 0
