"""Loads on a running contender: wrk where it is installed, else our own client; at a constant rate always our own."""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine.children import ROOT
from benchmarks.machine.cores import pinned
from benchmarks.peers.contenders import Ask
from benchmarks.peers.running import Running

CONNECTIONS = 16
WARMUP = 0.5  # seconds
SCRIPT = Path(__file__).with_name("wrk.lua")
WRK_MISSING = "wrk is not installed (Debian, Ubuntu: apt install wrk; macOS: brew install wrk); using our own client"


class LoadError(RuntimeError):
    """The client itself failed."""


def wrk_version() -> str | None:
    """`wrk 4.1.0`, or None where it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    match = re.search(r"wrk \S+", said.stdout + said.stderr)
    return match[0] if match else "wrk"


def saturate(server: Running, ask: Ask, seconds: float, cores: tuple[int, ...]) -> dict[str, Any]:
    """As many requests as 16 connections get answered."""
    wrk = shutil.which("wrk")
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        if wrk is None:
            return _own(server, ask, Path(folder), cores, rate=0, seconds=seconds)
        body = Path(folder) / "body"
        body.write_bytes(ask.body)
        arguments = [str(body), ask.content_type, *server.contender.headers]
        base = [wrk, "-t1", f"-c{CONNECTIONS}", "--timeout", "10s", "-s", str(SCRIPT)]
        address = f"{server.url}{ask.path}"
        _measured([*base, "-d1s", address, "--", *arguments], server, cores)  # warms up; wrk knows whole seconds only
        said, used = _measured([*base, f"-d{max(1, round(seconds))}s", address, "--", *arguments], server, cores)
    match = re.search(r"^RESULT (\{.*\})$", said, re.MULTILINE)
    if match is None:
        raise LoadError(f"wrk said no result: {said[-500:]}")
    found: dict[str, Any] = json.loads(match[1])
    return {**found, **used, "client": "wrk"}


def pace(server: Running, ask: Ask, rate: float, seconds: float, cores: tuple[int, ...]) -> dict[str, Any]:
    """`rate` requests a second, evenly spaced, whatever the server does."""
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        return {**_own(server, ask, Path(folder), cores, rate=rate, seconds=seconds), "rate": round(rate, 1)}


def _own(
    server: Running, ask: Ask, folder: Path, cores: tuple[int, ...], *, rate: float, seconds: float
) -> dict[str, Any]:
    lines = [
        f"POST {ask.path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Content-Type: {ask.content_type}",
        f"Content-Length: {len(ask.body)}", *server.contender.headers,
    ]
    (folder / "request").write_bytes("\r\n".join([*lines, "", ""]).encode() + ask.body)
    order = {"host": "127.0.0.1", "port": server.port, "request": str(folder / "request"), "rate": rate,
             "seconds": seconds, "connections": CONNECTIONS, "warmup": WARMUP}
    (folder / "order.json").write_text(json.dumps(order))
    said, used = _measured([sys.executable, "-m", "benchmarks.peers.client", str(folder / "order.json")], server, cores)
    found: dict[str, Any] = json.loads(said)
    return {**found, **used, "client": "own"}


def _measured(command: list[str], server: Running, cores: tuple[int, ...]) -> tuple[str, dict[str, Any]]:
    """A client's output, and what it and the server used meanwhile (1.0 is one core)."""
    before, mine = server.usage(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with pinned(cores):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    after, now = server.usage(), resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise LoadError(f"{Path(command[0]).name} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    span = after.at - before.at
    client = now.ru_utime + now.ru_stime - mine.ru_utime - mine.ru_stime
    return done.stdout, {
        "client_cpu": round(client / span, 3), "server_cpu": round((after.cpu_seconds - before.cpu_seconds) / span, 3),
        "rss_bytes": after.rss_bytes,
    }
