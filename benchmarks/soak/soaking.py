"""Minutes of load at a share of the capacity, with all that happens meanwhile, and every answer held against the truth.

Good requests of every form are sent at their time, whatever the server does. A share of them is broken; some clients
trickle, some stop in the middle, some leave; and every so often the model is loaded anew. Each request has an id of its
own that must come back, so that an answer that went to another request is seen.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

from benchmarks.soak.bodies import Body
from benchmarks.soak.connection import Answer, Connection, LostError
from benchmarks.soak.corpus import Broken
from benchmarks.soak.memory import Memory

CONNECTIONS = 200  # fewer than requests may wait in the service, so that load alone makes no 503
SHOWN = 20     # examples of each fault that are kept
TRICKLE = (20, 0.05)   # pieces and pause (s): slower than anyone, quick enough for the limit
STALLED = (3, 4.0)     # longer than the limit that the server is given
READ_LIMIT_S = 5       # WEIGHBRIDGE_TIMEOUT_S of the server that is soaked


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One soak."""

    seconds: float
    rate: float                  # requests per second
    path: str = "/predict"
    broken_share: float = 0.01
    slow: int = 4                # clients that trickle, one after the other without end
    leaving: float = 2.0         # disconnects per second
    reload_s: float = 20.0       # between two loads of the model; 0: never
    reload_path: str = ""
    seed: int = 0


@dataclass
class Tally:
    """What happened."""

    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)

    def fault(self, kind: str, what: str) -> None:
        """Something that must not be."""
        self.counts[kind] += 1
        kept = self.faults.setdefault(kind, [])
        if len(kept) < SHOWN:
            kept.append(what)


class Soak:
    """One run against one server."""

    def __init__(self, host: str, port: int, plan: Plan, bodies: list[Body], broken: Any, memory: Memory) -> None:
        self.plan, self.tally, self.memory = plan, Tally(), memory
        self._host, self._port = host, port
        self._bodies, self._broken = cycle(bodies), broken
        self._ids, self._chance = count(), random.Random(plan.seed)  # noqa: S311 - repeatable on purpose
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(Connection(host, port))

    async def run(self) -> Tally:
        """Send everything, wait for every answer."""
        ends = time.monotonic() + self.plan.seconds
        aside = [asyncio.create_task(each) for each in self._aside(ends)]
        watching = asyncio.create_task(self.memory.watch())
        await self._send(ends)
        await asyncio.gather(*aside)
        watching.cancel()
        while not self._idle.empty():
            await self._idle.get_nowait().close()
        return self.tally

    def _aside(self, ends: float) -> list[Coroutine[Any, Any, None]]:
        found = [self._trickle(ends, *TRICKLE, (200,)) for _ in range(self.plan.slow)]
        found.append(self._trickle(ends, *STALLED, (408,)))
        found.append(self._leave(ends))
        if self.plan.reload_s and self.plan.reload_path:
            found.append(self._reload(ends))
        return found

    async def _send(self, ends: float) -> None:
        """The steady stream, at its times."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:  # a request that cannot be judged ends the soak, loudly
            for number in count():
                due = began + number / self.plan.rate
                if due >= ends:
                    break
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                elif not number % 32:
                    await asyncio.sleep(0)
                group.create_task(self._one(due))

    async def _one(self, due: float) -> None:
        connection = await self._idle.get()  # where all are busy the request waits, and its latency says so
        try:
            if self._chance.random() < self.plan.broken_share:
                await self._bad(connection, next(self._broken))
            else:
                await self._good(connection, next(self._bodies))
                self.tally.latencies_ms.append((time.monotonic() - due) * 1000)
        finally:
            self._idle.put_nowait(connection)

    async def _good(self, connection: Connection, body: Body) -> None:
        answer = await self._ask("good", connection, body.content_type, body.data)
        if answer is not None:
            self._judge(answer, body, (200,))

    async def _bad(self, connection: Connection, broken: Broken) -> None:
        kind, content_type, data = broken
        answer = await self._ask("broken", connection, content_type, data)
        if answer is not None and answer.status >= 500:
            self.tally.fault("server errors", f"{kind}: {answer.status} {answer.body[:300]!r}")

    async def _ask(self, what: str, connection: Connection, content_type: str, data: bytes,
                   **how: Any) -> Answer | None:
        name = f"soak-{next(self._ids)}"
        self.tally.counts[what] += 1
        try:
            answer = await connection.ask(self.plan.path, content_type, data, name, **how)
        except LostError as error:
            self.tally.fault("lost", f"{what}, {content_type[:40]}: {error}")
            return None
        self.tally.statuses[f"{what} {answer.status}"] += 1
        if answer.headers.get("x-request-id") != name:
            self.tally.fault("mixed up", f"{name} was answered as {answer.headers.get('x-request-id')}")
        return answer

    def _judge(self, answer: Answer, body: Body, allowed: tuple[int, ...]) -> None:
        if answer.status == 503 and "retry-after" in answer.headers:
            self.tally.counts["told to come back"] += 1
            return
        if answer.status == 504:
            self.tally.fault("late", f"{body.form}: {answer.body[:300]!r}")
            return
        if answer.status not in allowed:
            self.tally.fault("wrong", f"{body.form}: {answer.status} {answer.body[:300]!r}")
            return
        if answer.status == 200:
            try:
                found = tuple(each["index"] for each in json.loads(answer.body)["predictions"])
            except (ValueError, KeyError, TypeError):
                self.tally.fault("wrong", f"{body.form}: 200 with {answer.body[:300]!r}")
                return
            if found != body.classes:
                self.tally.fault("wrong", f"{body.form}: {found}, not {body.classes}")

    async def _trickle(self, ends: float, pieces: int, pause: float, allowed: tuple[int, ...]) -> None:
        """Slow clients: each waits for its answer, and gets the right one or is told that it was too slow."""
        what = "trickled" if allowed == (200,) else "stalled"
        while time.monotonic() + pieces * pause < ends:
            body = next(self._bodies)
            connection = Connection(self._host, self._port)
            answer = await self._ask(what, connection, body.content_type, body.data, pieces=pieces, pause=pause)
            if answer is not None:
                self._judge(answer, body, allowed)
            await connection.close()

    async def _leave(self, ends: float) -> None:
        """Clients that go in the middle of their request, or before its answer."""
        while time.monotonic() < ends:
            body = next(self._bodies)
            connection = Connection(self._host, self._port)
            try:
                await connection.leave(self.plan.path, body.content_type, body.data, self._chance.choice((0, 0.5, 1)))
                self.tally.counts["left"] += 1
            except OSError as error:
                self.tally.fault("lost", f"could not connect: {error}")
            await asyncio.sleep(1 / self.plan.leaving)

    async def _reload(self, ends: float) -> None:
        while time.monotonic() + self.plan.reload_s < ends:
            await asyncio.sleep(self.plan.reload_s)
            connection = Connection(self._host, self._port)
            try:
                answer = await connection.ask(self.plan.reload_path, "application/json", b"{}", "reload")
            except LostError as error:
                self.tally.fault("failed reloads", str(error))
            else:
                if answer.status == 200:
                    self.tally.counts["reloads"] += 1
                else:
                    self.tally.fault("failed reloads", f"{answer.status} {answer.body[:300]!r}")
            await connection.close()


FAULTS = ("wrong", "lost", "mixed up", "late", "server errors", "failed reloads")


def summary(tally: Tally) -> dict[str, Any]:
    """JSON-ready; the faults that must be zero come first."""
    ordered = sorted(tally.latencies_ms)
    return {
        "faults": {kind: tally.counts[kind] for kind in FAULTS},
        "examples": tally.faults,
        "counts": {kind: number for kind, number in sorted(tally.counts.items()) if kind not in FAULTS},
        "statuses": dict(sorted(tally.statuses.items())),
        "latency_ms": {
            f"p{share}": round(ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 2) for share in (50, 90, 99)
        } if ordered else None,
    }
