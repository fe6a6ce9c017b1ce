"""What a hostile client may try before there is a request, and what the source must not contain."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from process import REPOSITORY, Process

SOURCES = sorted((REPOSITORY / "service").rglob("*.py"))
CLIENT = REPOSITORY / "service" / "client"
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FETCHERS = {"urllib.request", "requests", "httpx", "aiohttp", "http.client", "ftplib", "urllib3"}


@pytest.fixture(scope="module")
def hasty(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that gives a request one second to arrive."""
    process = Process(models, tmp_path_factory.mktemp("home"), WEIGHBRIDGE_DEFAULT_MODEL="toy",
                      WEIGHBRIDGE_TIMEOUT_S="1")
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop()


def connect(process: Process) -> socket.socket:
    host, port = process.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def poured(connection: socket.socket, piece: bytes, most: int) -> int:
    """Bytes that went out before the other side would have no more."""
    sent = 0
    try:
        while sent < most:
            sent += connection.send(piece)
    except ConnectionError:
        pass
    return sent


def check(answer: bytes, status: int, slug: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    problem = json.loads(body)
    assert problem["type"] == f"urn:weighbridge:problem:{slug}"
    assert b"x-request-id: " + problem["request_id"].encode() in head


def refused(process: Process) -> dict[str, float]:
    text = httpx.get(f"{process.url}/metrics").text
    found = re.findall(r'^weighbridge_connections_refused_total\{reason="(.*)"\} (\S+)$', text, re.MULTILINE)
    return {reason: float(count) for reason, count in found}


def test_a_connection_that_sends_nothing_is_closed_without_an_answer_to_nothing(hasty: Process) -> None:
    before = refused(hasty)
    with connect(hasty) as connection:
        assert read_all(connection) == b""

    assert refused(hasty)["silence"] == before["silence"] + 1


def test_what_is_refused_before_there_is_a_request_is_counted_by_reason_and_seldom_logged(hasty: Process) -> None:
    before = refused(hasty)
    assert set(before) == {"bad-request", "head-too-large", "read-timeout", "silence"}
    for sent in (b"nonsense\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, b"GET /"):
        with connect(hasty) as connection, contextlib.suppress(ConnectionError):  # an answer may be lost to a reset
            connection.sendall(sent)
            assert read_all(connection).startswith(b"HTTP/1.1 4")

    after = refused(hasty)
    assert {reason: after[reason] - before[reason] for reason in after} == {
        "bad-request": 2, "head-too-large": 1, "read-timeout": 1, "silence": 0,
    }
    lines = hasty.log.read_text().count("was refused before it had sent a request")
    assert 1 <= lines < sum(after.values())


@pytest.mark.parametrize("sent", [
    b"\r\n", b"POST /pred", b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: ",
], ids=["an empty line", "half a line", "half a head"])
def test_a_head_that_does_not_come_is_not_waited_for(hasty: Process, sent: bytes) -> None:
    with connect(hasty) as connection:
        connection.sendall(sent)
        check(read_all(connection), 408, "read-timeout")


def test_a_second_request_on_a_connection_is_not_waited_for_either(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        first = b""
        while not first.endswith(b"alive\n"):
            first += connection.recv(65536)
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        check(read_all(connection), 408, "read-timeout")


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize(("sent", "status", "slug"), [
    (b"nonsense\r\n\r\n", 400, "bad-request"),
    (b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-request"),
    (b"GET / HTTP/1.1\r\nx: " + b"x" * 65_530, 431, "head-too-large"),
    (b"GET /", 408, "read-timeout"),
], ids=["no request", "no address", "a head without end", "half a head"])
def test_what_is_no_request_is_refused_after_the_answers_to_those_before_it(
    hasty: Process, before: int, sent: bytes, status: int, slug: str
) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"POST /evaluate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b"Content-Length: 2\r\n\r\n{}" * before + sent)
        answers = read_all(connection)

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"] * before + [b"%d" % status]
    check(answers[answers.index(b"HTTP/1.1 %d " % status):], status, slug)


def test_an_empty_line_keeps_no_connection_open(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"alive\n")


def test_headers_without_end_are_refused(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        answer = b""
        try:
            for _ in range(2000):
                connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
            answer = read_all(connection)
        except OSError:
            answer = answer or b"reset"  # the answer may be lost to the reset of a connection that is still sent to
    assert answer == b"reset" or answer.startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("endless", [b"0\r\nx-a: ", b"1;a=", b"1\r\na\r\n0\r\nx-a: 1\r\n"],
                         ids=["a trailer", "a chunk's extension", "many trailers"])
def test_what_is_sent_beside_the_chunks_of_a_body_has_an_end(hasty: Process, endless: bytes) -> None:
    start = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n")
    more = b"x-b: " + b"v" * 1000 + b"\r\n" if b"1\r\n" in endless[-3:] else b"v" * 1007
    with connect(hasty) as connection:
        connection.sendall(start + endless)
        sent = poured(connection, more * 60, 2**26)

    assert sent < 2**25  # what the two ends of a connection hold; without an end all of it goes


def test_many_small_chunks_are_a_body_like_any_other(http: httpx.Client) -> None:
    pixels = bytes(16)

    answer = http.post("/predict?model=toy", content=(pixels[:1] for _ in range(16)),
                       headers={"Content-Type": "application/octet-stream"})

    assert answer.status_code == 200, answer.text


def test_who_is_refused_before_the_body_came_is_told_that_the_connection_ends(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                           b"Content-Length: 9999999999\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)

    check(answer, 413, "body-too-large")
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_an_address_or_header_of_some_size_is_fine(hasty: Process) -> None:
    answer = httpx.get(f"{hasty.url}/livez?{'x' * 8000}", headers={"X-Long": "x" * 20_000})

    assert answer.status_code == 200


def test_a_body_that_comes_drop_by_drop_is_given_up(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                           b"Content-Length: 16\r\n\r\n" + bytes(3))
        answer = b""
        while b"urn:weighbridge:problem:read-timeout" not in answer:  # head and body may come one after the other
            piece = connection.recv(65536)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408")


def test_what_is_not_http_is_a_problem_too(hasty: Process) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        check(read_all(connection), 400, "bad-request")


def test_browsers_are_told_to_be_careful_with_every_answer(http: httpx.Client) -> None:
    for answer in (http.get("/"), http.get("/livez"), http.get("/nope"), http.post("/predict", content=b"")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers
    assert "default-src 'self'" in http.get("/").headers["content-security-policy"]


def names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_server_imports_the_client() -> None:
    code = "import sys, service.app, service.jobs.runner; sys.exit('service.client' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_service_unpickles_nothing_fetches_nothing_and_evaluates_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = set(names(tree))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}

    client = CLIENT in path.parents  # runs where its user asks it to, and never in a server: see the test below
    assert not imported & (UNPICKLERS if client else UNPICKLERS | FETCHERS)
    assert not calls & {"eval", "exec", "compile", "__import__", "os.system"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
            assert "allow_pickle=False" in ast.unparse(node), ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.fromfile"):
            pytest.fail(f"{ast.unparse(node)} reads whatever it is given")
