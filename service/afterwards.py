"""What is told about a request after its answer has gone: the access log, and spans where tracing is on.

Nobody waits for it: once the answer is on its way the event loop makes the line (3 us) and appends it to a list, and a
thread of its own empties that ten times a second, writing all lines at once. The thread gets bytes and no objects:
while it made the lines, and later while it only let go of the finished requests, it kept the interpreter for a
millisecond and more at a time, and every request of that moment waited. Where requests come faster than they can be
told, the newest are dropped and counted, never delayed. With the access log off and no exporter configured there is no
thread and no list.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

import orjson

from service.settings import Settings
from service.tracing import spans
from service.visit import Visit

T = TypeVar("T")
EVERY_S = 0.1
MOST = 20_000  # that may wait to be told
logger = logging.getLogger("weighbridge")


class Account(NamedTuple):
    """One finished request. Times in nanoseconds; `ended_ns` since 1970."""

    ended_ns: int
    visit: Visit
    method: str
    route: str
    path: str


Teller = Callable[[Sequence[Account]], None]


class Afterwards:
    """Takes accounts on the event loop, tells them in a thread. With `lines`, each is a line of the access log."""

    def __init__(self, tellers: Sequence[Teller], dropped: Callable[[], None], *, lines: bool = False) -> None:
        self._tellers = tellers
        self._wants_lines = lines
        self._dropped = dropped
        self._lines: deque[bytes] = deque()
        self._accounts: deque[Account] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, visit: Visit, method: str, route: str, path: str) -> None:
        """A request is over."""
        if len(self._accounts) >= MOST or len(self._lines) >= MOST:
            self._dropped()
            return
        account = Account(time.time_ns(), visit, method, route, path)
        if self._wants_lines:
            self._lines.append(line(account))
        if self._tellers:
            self._accounts.append(account)
        if self._thread is None:  # late, so that an application which only exists starts none
            self._thread = threading.Thread(target=self._run, name="afterwards", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Tell what is left, then end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for teller in self._tellers:
            getattr(teller, "close", lambda: None)()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        _hand(_taken(self._lines), _write)
        batch = _taken(self._accounts)
        for teller in self._tellers:
            _hand(batch, teller)


def _taken(waiting: deque[T]) -> list[T]:
    return [waiting.popleft() for _ in range(len(waiting))]


def _hand(batch: list[T], teller: Callable[[Sequence[T]], None]) -> None:
    """Whatever goes wrong, others are told, and the next ones."""
    if batch:
        try:
            teller(batch)
        except Exception:
            logger.exception("%d requests could not be told", len(batch))


def afterwards(settings: Settings, dropped: Callable[[], None]) -> Afterwards | None:
    """What this worker tells afterwards; None when nobody listens."""
    exporter = spans()
    if exporter is None and not settings.access_log:
        return None
    return Afterwards([exporter] if exporter is not None else [], dropped, lines=settings.access_log)


def _write(lines: Sequence[bytes]) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(lines))
    sys.stdout.buffer.flush()


def line(account: Account) -> bytes:
    """One line of the access log. `ms` has the stages of Server-Timing."""
    visit = account.visit
    sent = visit.sent.get(b"content-length", b"")
    us = [(ns + 500) // 1000 for ns in visit.watch.ns.values()]
    stages = {stage: each / 1000 for stage, each in zip(visit.watch.ns, us, strict=True) if each}
    return orjson.dumps({
        "at": f"{_second(account.ended_ns // 10**9)}.{account.ended_ns // 10**6 % 1000:03}Z",
        "request_id": visit.id,
        "method": account.method,
        "route": account.route,
        "path": account.path,
        "status": visit.status,
        "model": visit.model,
        "runtime": visit.runtime,
        "images": visit.images,
        "bytes_in": int(sent) if sent.isdigit() else None,
        "bytes_out": visit.bytes_out,
        "ms": {**stages, "total": sum(us) / 1000},
    }, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=2)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
