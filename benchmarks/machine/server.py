"""A service of our own to weigh: started fresh on a free port, pinned, awaited, and always stopped."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import psutil

from benchmarks.load.wire import bearer
from benchmarks.machine.children import last_lines, process_tree, start, stop
from benchmarks.machine.ports import free_port
from benchmarks.machine.witness import affinity

START_LIMIT = 90.0  # seconds until /readyz must answer 200
COMMAND = (sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", "{port}")


class ServerError(RuntimeError):
    """The service did not start or does not answer; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Usage:
    """What the server's processes have used so far."""

    at: float           # seconds, monotonic
    cpu_seconds: float
    rss_bytes: int
    cores: tuple[int, ...] = ()  # that they may use; empty where the system does not say


class Reachable(Protocol):
    """What can be asked: a service of ours, or somebody else's."""

    @property
    def url(self) -> str:
        """`http://host:port`."""
        ...

    @property
    def log(self) -> Path:
        """What it wrote, where that is known."""
        ...

    @property
    def key(self) -> str | None:
        """The API key it wants to see; None where it wants none."""
        ...

    def usage(self) -> Usage | None:
        """CPU time and memory so far; None where they are not ours to see."""
        ...


@dataclass(frozen=True)
class Elsewhere:
    """A service that somebody else runs."""

    url: str
    log: Path   # never written
    key: str | None = field(default=None, repr=False)

    def usage(self) -> None:
        """Not ours to see."""
        return


@dataclass(frozen=True)
class Server:
    """A running service."""

    url: str
    process: subprocess.Popen[str]
    log: Path
    started_in: float   # seconds from the command to ready
    key: None = None    # what we start has none

    def usage(self) -> Usage:
        """CPU time and memory of the process and all its children, now."""
        return usage_of(self.process)


def usage_of(leader: subprocess.Popen[str]) -> Usage:
    """CPU time and memory of a process and all its children, now."""
    cpu, rss, tree = 0.0, 0, process_tree(leader.pid)
    for process in tree:
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.Error:  # ended in between
            continue
        cpu += times.user + times.system
        rss += memory.rss
    return Usage(time.monotonic(), cpu, rss, affinity(leader.pid))


@contextmanager
def serving(
    *, root: Path, log: Path, runtime: str = "onnxruntime", threads: int = 1, cores: tuple[int, ...] = (),
    command: Sequence[str] = COMMAND, settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run the service on the models under `root` for the length of a `with` block; `settings` are more variables.

    Raises ServerError when it ends or stays silent before it is ready.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as home:
        environment = {
            "BENTOML_HOME": home,  # two servers that share one remove each other's sockets
            "BENTOML_DO_NOT_TRACK": "true",
            "WEIGHBRIDGE_MODELS": str(root.resolve()),
            "WEIGHBRIDGE_JOBS": f"{home}/jobs",  # an unfinished evaluation of someone else's would run meanwhile
            "WEIGHBRIDGE_RUNTIME": runtime,
            "WEIGHBRIDGE_THREADS": str(threads),
            **(settings or {}),
        }
        begun = time.monotonic()
        process = start([part.format(port=port) for part in command], log=log, cores=cores, environment=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            _await_ready(url, process, log)
            yield Server(url, process, log, time.monotonic() - begun)
        finally:
            stop(process)


@contextmanager
def given_or_fresh(given: Server | None, **options: Any) -> Iterator[Server]:
    """`given` as it is, or else a fresh one as `serving` starts it, so that nobody inherits memory or caches."""
    if given is not None:
        yield given
        return
    with serving(**options) as fresh:
        yield fresh


def post(server: Reachable, path: str, *, timeout: float = 120, **content: Any) -> Any:
    """POST (`json=`, or `content=` with `headers=`); ServerError unless it answers 200."""
    return _asked(server, "POST", path, timeout=timeout, **content)


def taste(server: Reachable, path: str, *, content: bytes, content_type: str, times: int) -> float:
    """Ask the same a few times over one connection, which also warms the server; seconds per answer at the median.

    Raises ServerError where it does not answer 200.
    """
    headers, taken = {"Content-Type": content_type}, []
    post(server, path, content=content, headers=headers)
    try:
        with httpx.Client(base_url=server.url, headers=bearer(server.key), timeout=120) as client:
            for _ in range(times):
                begun = time.perf_counter()
                client.post(path, content=content, headers=headers).raise_for_status()
                taken.append(time.perf_counter() - begun)
    except httpx.HTTPError as error:
        raise ServerError(f"POST {path}: {error or type(error).__name__}\n{last_lines(server.log)}") from error
    return statistics.median(taken)


def _await_ready(url: str, process: subprocess.Popen[str], log: Path) -> None:
    deadline, said = time.monotonic() + START_LIMIT, "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"the service ended with code {process.returncode} before it was ready; {log} ends with\n"
                              f"{last_lines(log)}")
        try:
            answer = httpx.get(f"{url}/readyz", timeout=5)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
        else:
            if answer.status_code == 200:
                return
            said = f"HTTP {answer.status_code} {answer.text[:200]}"
        time.sleep(0.1)
    raise ServerError(f"the service was not ready after {START_LIMIT:.0f} s; {url}/readyz last said: {said}; "
                      f"{log} ends with\n{last_lines(log)}")


def _asked(server: Reachable, method: str, path: str, **options: Any) -> Any:
    headers = {**bearer(server.key), **options.pop("headers", {})}
    try:
        answer = httpx.request(method, f"{server.url}{path}", headers=headers, **options)
    except httpx.HTTPError as error:
        raise ServerError(f"{method} {path}: {error or type(error).__name__}\n{last_lines(server.log)}") from error
    place = answer.request.url.path
    if answer.status_code != 200:
        raise ServerError(f"{method} {place} answered {answer.status_code}: {answer.text[:500]}\n"
                          f"{last_lines(server.log)}")
    try:
        return answer.json()
    except json.JSONDecodeError as error:
        raise ServerError(f"{method} {place} did not answer JSON: {error}") from error
