"""Measures /predict alone and beside a job, in turns on one server, and says whether the job gives way.

    python -m benchmarks.yielding                      five rounds of ten seconds each way
    python -m benchmarks.yielding --publish            also benchmarks/results/yielding/<machine>.json

Requests go out on a schedule (Poisson) and are timed from the moment they should have gone, so a server that stalls
cannot hide it. The job scores 10,000 images of a convolutional network, and is started anew until its turn is over.
Exit code 0: the 99th percentile beside the job is at most LIMIT times that without.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.commands.shared import count, positive
from benchmarks.machine.children import ROOT, leaving_nothing
from benchmarks.machine.cores import pinned, share_out
from benchmarks.machine.fingerprint import fingerprint, slug, warnings
from benchmarks.machine.server import Server, serving
from benchmarks.soak.connection import Connection
from service.card import write_atomically
from service.client import AsyncClient
from service.wire import Job

RESULTS = ROOT / "benchmarks" / "results" / "yielding"
MODELS = ROOT / "models"
MODEL = "fm-fast"          # answers /predict, and is what the job scores
SPLIT = "fashion-mnist-test"
LIMIT = 1.5
CONNECTIONS = 32
CALIBRATION_S = 3.0
SETTLE_S = 3.0             # a job's process starts and opens its model before its turn is timed
RAW = "application/octet-stream"
IMAGE = bytes(range(196)) * 4


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, perhaps publish; 1 when the job does not give way."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    machine, cores = fingerprint(), share_out()
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    try:
        with tempfile.TemporaryDirectory(prefix="yielding-") as folder:
            settings = {"WEIGHBRIDGE_DEFAULT_MODEL": MODEL, "WEIGHBRIDGE_JOBS": str(Path(folder) / "jobs")}
            log = Path(folder) / "server.log"
            with (serving(root=MODELS, log=log, cores=cores.server, settings=settings) as server,
                  pinned(cores.generator)):
                found = asyncio.run(_measure(server, options, console))
    except KeyboardInterrupt:
        return 130
    result = {"schema_version": 1, "model": MODEL, "split": SPLIT, "machine": machine, "cores": str(cores), **found}
    console.print_json(json.dumps({name: value for name, value in result.items() if name != "machine"}))
    console.print("[green]the job gives way[/]" if result["gives_way"] else "[bold red]it does not[/]")
    if options.publish:
        path = RESULTS / f"{slug(machine)}.json"
        write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")
        console.print(f"published: {path}")
    return 0 if result["gives_way"] else 1


def verdict(alone: list[list[float]], beside: list[list[float]], scored: int) -> dict[str, Any]:
    """From the milliseconds of every request, per round: percentiles of all rounds together, and their ratios."""
    figures = {name: _percentiles(np.concatenate(rounds)) for name, rounds in (("alone", alone), ("beside", beside))}
    ratios = {name: round(figures["beside"][name] / figures["alone"][name], 3) for name in ("p50", "p90", "p99")}
    per_round = [round(float(np.percentile(b, 99) / np.percentile(a, 99)), 3)
                 for a, b in zip(alone, beside, strict=True)]
    return {**figures, "ratio": ratios, "p99_ratio_per_round": per_round, "limit": LIMIT, "scored_images": scored,
            "gives_way": bool(ratios["p99"] <= LIMIT and scored > 0)}


async def _measure(server: Server, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    host, port = server.url.removeprefix("http://").split(":")
    connections = [Connection(host, int(port)) for _ in range(CONNECTIONS)]
    capacity = await _capacity(connections)
    rate = options.utilisation * capacity
    console.print(f"capacity {capacity:,.0f}/s; {rate:,.0f}/s for {options.rounds} rounds of {options.seconds:g} s")
    alone, beside, scored = [], [], 0
    async with AsyncClient(server.url) as client:
        for number in range(options.rounds):
            # The order turns over, so that a machine that gets slower or faster favours neither side.
            for working in (False, True) if number % 2 == 0 else (True, False):
                if not working:
                    alone.append(await _send(connections, rate, options.seconds, (number, 0)))
                    continue
                stop = asyncio.Event()
                jobs = asyncio.create_task(_keep_a_job(client, stop))
                await asyncio.sleep(SETTLE_S)
                beside.append(await _send(connections, rate, options.seconds, (number, 1)))
                stop.set()
                scored += await jobs
            console.print(f"round {number + 1}: p99 {np.percentile(alone[-1], 99):.2f} ms alone, "
                          f"{np.percentile(beside[-1], 99):.2f} ms beside the job")
    for connection in connections:
        await connection.close()
    return {"capacity": round(capacity, 1), "rate": round(rate, 1), "seconds": options.seconds,
            "rounds": options.rounds, **verdict(alone, beside, scored)}


async def _keep_a_job(client: AsyncClient, stop: asyncio.Event) -> int:
    """Run one job after the other until `stop`; how many images were scored."""
    scored = 0
    while not stop.is_set():
        job: Job = await client.submit(SPLIT, model=MODEL)
        while not stop.is_set() and (job := await client.job(job.id)).state in ("queued", "running"):
            await asyncio.sleep(0.5)
        job = await client.job(job.id)
        scored += job.done
        if job.state in ("queued", "running"):
            await client.cancel(job.id)
        elif job.state == "failed":
            raise RuntimeError(f"the job failed: {job.problem}")
    while any(each.state in ("queued", "running") for each in (await client.jobs()).jobs):
        await asyncio.sleep(0.1)
    return scored


async def _send(connections: list[Connection], rate: float, seconds: float, seed: tuple[int, int]) -> list[float]:
    """Milliseconds of every request from when it was due; a connection that is busy makes its next one wait."""
    random = np.random.default_rng(seed)
    due = np.cumsum(random.exponential(1 / rate, int(rate * seconds))).tolist()
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)
    took: list[float] = []
    began = time.perf_counter()

    async def ask(connection: Connection, at: float) -> None:
        answer = await connection.ask("/predict", RAW, IMAGE, "yielding")
        if answer.status != 200:
            raise RuntimeError(f"/predict answered {answer.status}: {answer.body[:200]!r}")
        took.append(1000 * (time.perf_counter() - began - at))
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for at in due:
            if (left := at - (time.perf_counter() - began)) > 0:
                await asyncio.sleep(left)
            group.create_task(ask(await free.get(), at))
    return took


async def _capacity(connections: list[Connection]) -> float:
    ends, done = time.perf_counter() + CALIBRATION_S, 0

    async def client(connection: Connection) -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await connection.ask("/predict", RAW, IMAGE, "capacity")
            done += 1

    await asyncio.gather(*map(client, connections))
    return done / CALIBRATION_S


def _percentiles(milliseconds: Any) -> dict[str, float]:
    p50, p90, p99 = np.percentile(milliseconds, [50, 90, 99]).tolist()
    return {"p50": round(p50, 4), "p90": round(p90, 4), "p99": round(p99, 4), "requests": len(milliseconds)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yielding", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--seconds", type=positive, default=10.0, help="of one turn (default: 10)")
    parser.add_argument("--utilisation", type=float, default=0.4, help="share of the capacity (default: 0.4)")
    parser.add_argument("--publish", action="store_true", help="store the result to be committed")
    return parser


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
