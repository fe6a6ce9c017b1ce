"""Replacing servers one after the other, as a cluster does: the successor is ready before its predecessor goes.

Start the successor and wait for its /readyz; let the proxy turn to it and let go of the old one; SIGTERM to that; wait.
A cluster starts it on cores that are free. Here there are none: it starts at a low priority, where we may raise that of
a process again, so that importing and loading take no time from answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine.children import process_tree
from benchmarks.machine.server import COMMAND, Server, serving
from benchmarks.rolling.load import Load, Tally, capacity
from benchmarks.rolling.proxy import Proxy, proxied
from benchmarks.rolling.versions import NAME, write_questions, write_versions

END_LIMIT = 60.0  # seconds a server may take to finish what it has
LATER = ("nice", "-n", "5") if hasattr(os, "geteuid") and os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Rolling:
    """What to do. `rate` is requests per second; None: `utilisation` of what the proxy with all servers can do."""

    replicas: int = 2
    rate: float | None = None
    utilisation: float = 0.5
    quiet_s: float = 10.0      # of load before, between and after the replacements
    capacity_s: float = 10.0
    connections: int = 16      # when the capacity is measured
    images: int = 1000
    seed: int = 0


@dataclass
class Replica:
    """A server and what has to be closed with it."""

    server: Server
    closing: ExitStack

    @property
    def port(self) -> int:
        """Where it listens on this machine."""
        return int(self.server.url.rpartition(":")[2])


async def replace_all(
    asked: Rolling, models: Path, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Do it, and `tell` how far it is; JSON-ready. ServerError where a server or the proxy does not start."""
    before, after = write_versions(models, folder)
    questions = write_questions(models, after, asked.images, asked.seed)
    replicas: list[Replica] = []
    try:
        while len(replicas) < asked.replicas:
            replicas += [await asyncio.to_thread(_start, before, folder / f"old-{len(replicas)}.log")]
        with proxied(folder, [replica.port for replica in replicas]) as proxy:
            most = None if asked.rate else await capacity(proxy.port, questions, asked.capacity_s, asked.connections)
            rate = asked.rate or asked.utilisation * (most or 0)
            tell(f"{rate:,.0f} requests a second" + (f" of {most:,.0f}" if most else ""))
            load = Load(proxy.port, questions, rate, asked.seed)
            running = asyncio.create_task(load.run())
            try:
                steps = await _roll(asked, proxy, replicas, load, after, folder, tell)
            finally:
                load.enough.set()
                await running
    finally:
        for replica in replicas:
            replica.closing.close()
    tally = load.tally
    return {
        "capacity": most and round(most, 1), "rate": round(rate, 1), "sent": tally.sent,
        "answered": tally.by_version.total(),
        "failed": tally.failed.total(), "failures": dict(tally.failed.most_common(10)),
        "misnamed": tally.misnamed, "repeated": tally.repeated,
        "by_version": {str(version): count for version, count in sorted(tally.by_version.items())},
        "low_priority_start": bool(LATER), "steps": steps, "phases": _phases(tally, steps),
    }


async def _roll(
    asked: Rolling, proxy: Proxy, replicas: list[Replica], load: Load, after: Path, folder: Path,
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    steps = []
    for number in range(len(replicas)):
        await asyncio.sleep(asked.quiet_s)
        tell(f"{load.at:.0f} s: {load.tally.sent:,} requests; replacing server {number + 1} of {len(replicas)}")
        old, begun = replicas[number], load.at
        replicas[number] = new = await asyncio.to_thread(_start, after, folder / f"new-{number}.log", LATER)
        try:
            ready = load.at
            await asyncio.to_thread(proxy.turn_to, [replica.port for replica in replicas])
            turned = load.at
            old.server.process.terminate()
            code = await asyncio.to_thread(old.server.process.wait, END_LIMIT)
        finally:
            old.closing.close()
        steps.append({"replica": number, "begun_s": round(begun, 2), "ready_s": round(ready, 2),
                      "turned_s": round(turned, 2), "ended_s": round(load.at, 2), "exit_code": code,
                      "port": new.port})
    await asyncio.sleep(asked.quiet_s)
    return steps


def _start(root: Path, log: Path, first: tuple[str, ...] = ()) -> Replica:
    closing = ExitStack()
    server = closing.enter_context(
        serving(root=root, log=log, command=(*first, *COMMAND), settings={"WEIGHBRIDGE_DEFAULT_MODEL": NAME})
    )
    for process in process_tree(server.process.pid) if first else ():
        for thread in process.threads():  # each has a priority of its own
            os.setpriority(os.PRIO_PROCESS, thread.id, 0)
    return Replica(server, closing)


def _phases(tally: Tally, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Latency by what was going on when a request was due: quiet, a successor starting, or a change of servers."""
    rows = np.array([(due, taken) for due, taken, _ in tally.latencies]).reshape(-1, 2)

    def within(begin: str, end: str) -> Any:
        spans = [(rows[:, 0] >= step[begin]) & (rows[:, 0] < step[end]) for step in steps]
        return np.logical_or.reduce(spans, axis=0) if spans else np.zeros(len(rows), bool)

    starting, changing = within("begun_s", "ready_s"), within("ready_s", "ended_s")
    return [{"phase": name, "requests": int(chosen.sum()), **_percentiles(rows[chosen, 1])}
            for name, chosen in (("quiet", ~starting & ~changing), ("starting", starting), ("changing", changing))]


def _percentiles(seconds: Any) -> dict[str, float | None]:
    names = {"p50_ms": 50, "p99_ms": 99, "max_ms": 100}
    return {name: round(1000 * float(np.percentile(seconds, share)), 2) if len(seconds) else None
            for name, share in names.items()}
