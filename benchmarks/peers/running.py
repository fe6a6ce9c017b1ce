"""One contender as a running server: on a free port, pinned, awaited, checked for the right answers, stopped."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.machine.children import ROOT, last_lines, start, stop
from benchmarks.machine.ports import free_port
from benchmarks.machine.server import Usage, usage_of
from benchmarks.peers.contenders import FORMS, KEY, Ask, Contender, python_of
from benchmarks.peers.environments import VENVS, UnavailableError

START_LIMIT = 180.0  # Ray needs a minute on a busy machine
MARK = "PEERS_HOME"  # a variable that every process of one server inherits, and nobody else has


@dataclass(frozen=True)
class Running:
    """A contender that answers."""

    contender: Contender
    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self.port}"

    def usage(self) -> Usage:
        """CPU time and memory of all its processes."""
        return usage_of(self.process)


@contextmanager
def running(
    contender: Contender, model: Path, cores: tuple[int, ...], log: Path, workers: int = 1
) -> Iterator[Running]:
    """Run a contender for the length of a `with` block; UnavailableError when it does not start."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="peers-") as home:
        keys = Path(home) / "keys"
        keys.write_text(f"benchmark:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
        filled = {"python": python_of(contender, VENVS), "port": str(port), "workers": str(workers), "keys": str(keys)}
        environment = {
            MARK: home,
            "PEERS_MODEL": str(model.resolve()), "PYTHONPATH": str(ROOT),
            "BENTOML_HOME": home, "BENTOML_DO_NOT_TRACK": "true",
            "WEIGHBRIDGE_MODELS": str(model.resolve().parent.parent), "WEIGHBRIDGE_DEFAULT_MODEL": model.parent.name,
            "WEIGHBRIDGE_JOBS": f"{home}/jobs", "WEIGHBRIDGE_THREADS": "1", "WEIGHBRIDGE_WORKERS": str(workers),
            **{name: value.format(**filled) for name, value in contender.environment.items()},
        }
        process = start([part.format(**filled) for part in contender.command], log=log, cores=cores,
                        environment=environment)
        try:
            found = Running(contender, port, process)
            _await_ready(found, log)
            yield found
        finally:
            stop(process)
            _end_marked(home)


def _end_marked(home: str) -> None:
    """Kill what a server started in groups of its own; also where its first process ended before them."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == home:
                process.kill()


def verify(server: Running, asks: dict[str, Ask], expected: list[int]) -> None:
    """UnavailableError unless every form of request gets the class that the session itself gives."""
    headers = dict(header.split(": ", 1) for header in server.contender.headers)
    for form, ask in asks.items():
        answer = httpx.post(f"{server.url}{ask.path}", content=ask.body, timeout=30,
                            headers={"Content-Type": ask.content_type, **headers})
        wanted = expected[:FORMS[form][1]]
        try:
            found = server.contender.read(answer.json()) if answer.status_code == 200 else None
        except (ValueError, KeyError, TypeError):
            found = None
        if found != wanted:
            raise UnavailableError(f"answers {form} with {answer.status_code} {answer.text[:300]}, "
                                   f"where {wanted[:3]}… would be right")


def _await_ready(server: Running, log: Path) -> None:
    deadline, said = time.monotonic() + START_LIMIT, "nothing"
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise UnavailableError(f"ended with code {server.process.returncode}: {_last_words(log)}")
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(f"{server.url}{server.contender.ready}", timeout=5)
            if answer.status_code == 200:
                return
            said = f"HTTP {answer.status_code}"
        time.sleep(0.1)
    raise UnavailableError(f"was not ready after {START_LIMIT:.0f} s ({said}): {_last_words(log)}")


def _last_words(log: Path) -> str:
    """The last line of a log: what went wrong, after the places in files where it did."""
    return (last_lines(log).strip().splitlines() or ["it said nothing"])[-1].strip()[-500:]
