"""A flood of broken requests from a few connections: no 5xx, no hang, no connection lost, and the memory stays flat."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from benchmarks.soak.connection import Connection, LostError
from benchmarks.soak.corpus import Broken
from benchmarks.soak.memory import Memory
from benchmarks.soak.soaking import Tally

CONNECTIONS = 16


async def fuzz(
    host: str, port: int, path: str, requests: int, broken: Any, memory: Memory, say: Callable[[int], None]
) -> tuple[Tally, dict[str, dict[str, int]]]:
    """Send `requests`; the tally, and per kind of damage how often each status came."""
    tally, kinds, numbers = Tally(), Counter[tuple[str, str]](), count()
    watching = asyncio.create_task(memory.watch())

    async def client() -> None:
        connection = Connection(host, port)
        while (number := next(numbers)) < requests:
            await _one(connection, path, next(broken), f"fuzz-{number}", tally, kinds)
            if number % 5000 == 0:
                say(number)
        await connection.close()

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    watching.cancel()
    by_kind: dict[str, dict[str, int]] = {}
    for (kind, status), number in sorted(kinds.items()):
        by_kind.setdefault(kind, {})[status] = number
    return tally, by_kind


async def _one(
    connection: Connection, path: str, broken: Broken, name: str, tally: Tally, kinds: Counter[tuple[str, str]]
) -> None:
    kind, content_type, data = broken
    tally.counts["broken"] += 1
    try:
        answer = await connection.ask(path, content_type, data, name)
    except LostError as error:
        kinds[kind, "lost"] += 1
        tally.fault("lost", f"{kind}, {len(data)} bytes of {content_type[:40]!r}: {error}")
        return
    kinds[kind, str(answer.status)] += 1
    tally.statuses[str(answer.status)] += 1
    if answer.status >= 500:
        tally.fault("server errors", f"{kind}: {answer.status} {answer.body[:300]!r}")
    elif answer.status >= 400 and not _explained(answer.body):
        tally.fault("wrong", f"{kind}: {answer.status} without a problem: {answer.body[:300]!r}")
    if answer.headers.get("x-request-id") != name and answer.status != 400:
        tally.fault("mixed up", f"{name} was answered as {answer.headers.get('x-request-id')}")


def _explained(body: bytes) -> bool:
    try:
        return str(json.loads(body)["type"]).startswith("urn:weighbridge:problem:")
    except (ValueError, KeyError, TypeError):
        return False
