"""nginx.conf: a real nginx with it, before servers of a few lines that hang, hang up, or are not there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from _bentoml_impl.worker.service import main as worker
from process import REPOSITORY
from proxies import needs_nginx

from benchmarks.machine.ports import free_port
from benchmarks.rolling import proxy
from benchmarks.rolling.proxy import proxied

TEXT = (REPOSITORY / "deploy" / "nginx" / "nginx.conf").read_text()


class Servers:
    """Two of them: "hang" in a path is not answered before the end, "hangup" is hung up on, all else is 200 at once."""

    def __init__(self) -> None:
        self.begun: list[str] = []  # what any of them was asked
        self.over = threading.Event()
        servers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                servers.begun.append(f"{self.command} {self.path}")
                if "hang" in self.path:
                    if "hangup" not in self.path:
                        servers.over.wait()
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names of the library

            def log_message(self, *_: object) -> None:
                pass

        self._servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
        for each in self._servers:
            threading.Thread(target=each.serve_forever, daemon=True).start()
        self.ports = [each.server_address[1] for each in self._servers]

    def end(self) -> None:
        self.over.set()
        for each in self._servers:
            each.shutdown()
            each.server_close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    servers = Servers()
    try:
        yield servers
    finally:
        servers.end()


@contextmanager
def _asked(folder: Path, ports: list[int]) -> Iterator[httpx.Client]:
    with proxied(folder, ports) as nginx, httpx.Client(base_url=f"http://127.0.0.1:{nginx.port}", timeout=20) as client:
        yield client


@pytest.fixture
def _impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped file, with fractions of a second for its times."""
    text = TEXT
    for shipped, here in {"read_timeout 75s;": "read_timeout 200ms;", "upstream_timeout 5s;": "upstream_timeout 100ms;",
                          "read_timeout 1h;": "read_timeout 60s;"}.items():
        assert shipped in text
        text = text.replace(shipped, here)
    (tmp_path / "shipped.conf").write_text(text)
    monkeypatch.setattr(proxy, "SHIPPED", tmp_path / "shipped.conf")


def test_nginx_closes_an_idle_connection_before_a_server_does() -> None:
    kept = next(parameter.default for parameter in worker.params if parameter.name == "timeout_keep_alive")

    assert int(re.findall(r"^ +keepalive_timeout (\d+)s;", TEXT, re.MULTILINE)[0]) < kept


@needs_nginx
@pytest.mark.usefixtures("_impatient")
def test_slow_requests_take_no_server_away_from_the_others(tmp_path: Path, servers: Servers) -> None:
    with _asked(tmp_path, servers.ports) as client:
        late = [client.post("/hang", content=b"an image").status_code for _ in range(4)]
        others = [client.get("/livez").status_code for _ in range(8)]

    assert late == [504] * 4
    assert others == [200] * 8


@needs_nginx
def test_a_server_that_is_not_there_is_passed_over(tmp_path: Path, servers: Servers) -> None:
    with _asked(tmp_path, [free_port(), servers.ports[0]]) as client:
        answers = [client.post("/predict", content=b"an image").status_code for _ in range(10)]

    assert answers == [200] * 10


@needs_nginx
@pytest.mark.parametrize(("method", "times"), [("POST", 1), ("DELETE", 1), ("GET", 2)])
def test_only_what_changes_nothing_is_asked_again_when_a_server_hangs_up(
    method: str, times: int, tmp_path: Path, servers: Servers
) -> None:
    with _asked(tmp_path, servers.ports) as client:
        answer = client.request(method, "/hangup")

    assert answer.status_code == 502
    assert servers.begun == [f"{method} /hangup"] * times


@needs_nginx
@pytest.mark.usefixtures("_impatient")
def test_what_is_merely_slow_is_not_asked_of_the_other_server(tmp_path: Path, servers: Servers) -> None:
    with _asked(tmp_path, servers.ports) as client:
        assert client.get("/hang").status_code == 504

    assert servers.begun == ["GET /hang"]


@needs_nginx
@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("path", ["/evaluate", "/models/reload", "/v2/repository/models/fm-fast/load"])
def test_what_may_take_long_is_waited_for(path: str, tmp_path: Path, servers: Servers) -> None:
    with _asked(tmp_path, servers.ports) as client:
        with pytest.raises(httpx.ReadTimeout):  # of the client, which had to wait for longer than nginx does elsewhere
            client.post(path, params={"hang": "yes"}, timeout=1)
        assert client.post("/predict", params={"hang": "yes"}).status_code == 504
