"""Sends three loads to the stalling server, each to a fresh one: locust's two ways, and ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load.generator import GeneratorError, send
from benchmarks.load.payloads import encode, write_payloads
from benchmarks.load.plan import Plan
from benchmarks.machine.children import ROOT, last_lines, start, stop
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import Server, serving

STOCK = ROOT / "benchmarks" / "stall" / "stock.py"
SLOW_MS = 100        # what nobody would call quick
START_LIMIT = 60.0   # seconds
USERS = {"Quickstart": 1, "Paced": 10}


@dataclass(frozen=True, kw_only=True)
class Stalling:
    """The planted fault and the load on it, in seconds and requests per second."""

    work: float = 0.005
    stall: float = 1.5
    every: float = 10.0
    first: float = 5.0
    seconds: float = 40.0
    rate: float = 50.0


@contextmanager
def stalling(asked: Stalling, folder: Path, cores: Cores) -> Iterator[Server]:
    """A fresh server with the fault in it."""
    told = [text for name in ("work", "stall", "every", "first") for text in (f"--{name}", str(getattr(asked, name)))]
    command = [sys.executable, "-m", "benchmarks.stall.server", "--port", "{port}", *told]
    with serving(root=folder, log=folder / "server.log", command=command, cores=cores.server) as server:
        yield server


def with_locust(kind: str, asked: Stalling, folder: Path, cores: Cores) -> dict[str, Any]:
    """What locust itself reports: its own rounded times, and its own way to a percentile."""
    with stalling(asked, folder, cores) as server:
        command = [sys.executable, "-m", "locust", "-f", str(STOCK), kind, "--headless", "--users", str(USERS[kind]),
                   "--spawn-rate", str(USERS[kind]), "--host", server.url, "--json", "--exit-code-on-error", "0"]
        log = folder / f"{kind}.log"
        process = start(command, log=log, cores=cores.generator, stdout=subprocess.PIPE)
        try:
            _await_users(log, process)
            time.sleep(asked.seconds)   # its own --run-time counts from before its imports
            process.terminate()
            said, _ = process.communicate(timeout=60)
        finally:
            stop(process)
    if process.returncode != 0:
        raise GeneratorError(f"locust ended with code {process.returncode}:\n{last_lines(log)}")
    times = {float(ms): count for entry in json.loads(said) for ms, count in entry["response_times"].items()}
    requests = sum(times.values())
    return {"who": kind, "requests": requests, "per_second": round(requests / asked.seconds, 1),
            **{f"p{q}_ms": _percentile(times, q) for q in (50, 95, 99)}, "max_ms": max(times, default=0.0),
            "slow_share": round(sum(count for ms, count in times.items() if ms > SLOW_MS) / max(1, requests), 4)}


def with_ours(asked: Stalling, folder: Path, cores: Cores) -> dict[str, Any]:
    """The same server under an open loop of the same rate, latency from the intended start."""
    pixels = np.zeros((10, 4, 4, 1), np.uint8)
    payloads = folder / "payloads.npz"
    write_payloads(payloads, encode("raw", pixels, np.zeros(10, np.int64), limit=10, seed=0))
    plan = Plan(name="ours", model="stalling", arrival="poisson", rate=asked.rate, seconds=asked.seconds, warmup=0.0)
    with stalling(asked, folder, cores) as server:
        load = send(plan, server, payloads=payloads, folder=folder, cores=cores.generator)
    times = load.rows.measured.succeeded.response_us / 1000
    p50, p95, p99 = np.percentile(times, (50, 95, 99)).round(1).tolist()
    return {"who": "ours", "requests": len(times), "per_second": round(len(times) / asked.seconds, 1), "p50_ms": p50,
            "p95_ms": p95, "p99_ms": p99, "max_ms": round(float(times.max()), 1),
            "slow_share": round(float(np.mean(times > SLOW_MS)), 4)}


def _await_users(log: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while "All users spawned" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise GeneratorError(f"locust did not start:\n{last_lines(log)}")
        time.sleep(0.05)


def _percentile(times: dict[float, int], q: float) -> float:
    """As locust's tables have it: from the longest down, until no more than q % are shorter."""
    requests, seen = sum(times.values()), 0
    for ms in sorted(times, reverse=True):
        seen += times[ms]
        if requests - seen <= int(requests * q / 100):
            return ms
    return 0.0
