"""Sends one planned load from a child process and hands back what was written down.

The child is locust, which patches the standard library of whatever process imports it; so nothing here does.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load.plan import Order, Plan, write_order
from benchmarks.load.stored import Load, facts_path, read_load, rows_path, write_facts
from benchmarks.machine.children import ROOT, last_lines, start, stop
from benchmarks.machine.ports import free_port
from benchmarks.machine.server import Reachable, Usage
from benchmarks.machine.witness import Side, Witness, affinity, cpu_seconds

LOCUSTFILE = ROOT / "benchmarks" / "locustfile.py"
LOCUST = (sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--loglevel", "WARNING")
KEY = "WEIGHBRIDGE_API_KEY"  # of the environment; the child reads it there
SLACK = 60.0        # seconds beyond the plan until a generator that hangs is killed
PER_WORKER = 5000.0  # requests per second; one process keeps its schedule well beyond that, if its core is quiet


class GeneratorError(RuntimeError):
    """The load generator failed; the message ends with the last lines of its log."""


Progress = Callable[[dict[str, float]], None]


def send(
    plan: Plan, server: Reachable, *, payloads: Path, folder: Path, cores: tuple[int, ...] = (),
    progress: Progress = lambda _: None, workers: int | None = None,
) -> Load:
    """Send `plan` to `server`, store rows and facts in `folder`, return them. `progress` is called twice a second.

    A rate that asks for more is split among several processes, each on a core of its own, and their rows are merged.
    """
    order, account = folder / f"{plan.name}.order.json", folder / f"{plan.name}.generator.json"
    log = folder / "generator.log"
    account.unlink(missing_ok=True)
    facts_path(folder, plan.name).unlink(missing_ok=True)
    host, rows = server.url, rows_path(folder, plan.name)
    write_order(order, Order(plan=plan, host=host, payloads=payloads, rows=rows, facts=account))
    command = [*LOCUST, "--headless", "--users", "1", "--host", host, "--only-summary", "--exit-code-on-error", "0",
               "--order", str(order)]
    count = workers or workers_for(plan, cores)
    port = free_port() if count > 1 else 0
    several = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--expect-workers",
               str(count), "--expect-workers-max-wait", str(int(SLACK))] if count > 1 else []
    key = {KEY: server.key or ""}  # whoever needs none is not shown one that happens to be in our environment
    process = start([*command, *several], log=log, cores=cores, stdout=subprocess.PIPE, environment=key)
    watchdog = threading.Timer(plan.latest_end + plan.timeout + SLACK, process.kill)
    watchdog.daemon = True  # Ctrl-C may strike before `finally` is armed; the timer must not keep us from ending
    helpers: list[subprocess.Popen[str]] = []
    try:
        watchdog.start()
        for k in range(count if count > 1 else 0):
            helpers.append(start([*LOCUST, "--worker", "--master-port", str(port)], log=log,  # noqa: PERF401 - must be
                                 cores=cores[k % len(cores):][:1] if cores else (),  # known one by one to be stopped
                                 environment=key))
        used, witness = _follow([process, *helpers], server, progress)
        code = process.wait()
    finally:
        watchdog.cancel()
        for child in (process, *helpers):
            stop(child)
    if code != 0 or not account.exists():
        raise GeneratorError(f"the load generator ended with code {code} and no result; {log} ends with\n"
                             f"{last_lines(log)}")
    said = json.loads(account.read_text())
    order.unlink()
    account.unlink()
    write_facts(folder, plan, generator=said | {"witness": witness}, server=used)
    return read_load(folder, plan.name)


def workers_for(plan: Plan, cores: tuple[int, ...]) -> int:
    """How many processes send: more than one only where the rate asks for it and every one has a core to itself."""
    if plan.arrival in ("closed", "gamma") or plan.rate is None:  # bursts of several would even each other out
        return 1
    return max(1, min(len(cores), math.ceil(plan.rate / PER_WORKER)))


def _follow(
    senders: Sequence[subprocess.Popen[str]], server: Reachable, progress: Progress
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Pass on the first sender's progress, and sample the server and the machine at the same moments."""
    lines = senders[0].stdout
    assert lines is not None
    samples, witness = [], Witness()
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if not isinstance(said, dict):
            continue
        used, warming = server.usage(), bool(said.pop("warming"))
        witness.look(said["seconds"], _sides(used, [sender.pid for sender in senders]), counts=not warming)
        if warming:
            continue
        if used is not None:
            samples.append(used)
        progress(said)
    if len(samples) < 2:
        return {"cpu": None, "rss_bytes": samples[0].rss_bytes if samples else None}, witness.account()
    first, last = samples[0], samples[-1]
    return {
        "cpu": round((last.cpu_seconds - first.cpu_seconds) / (last.at - first.at), 3),
        "rss_bytes": max(sample.rss_bytes for sample in samples),
    }, witness.account()


def _sides(used: Usage | None, senders: Sequence[int]) -> dict[str, Side]:
    """Server and generator, each with its cores; one side where they share some.

    What a server elsewhere uses of the generator's cores, if it runs here, is not somebody else's: nobody can tell.
    """
    theirs = tuple({core for pid in senders for core in affinity(pid)})
    if used is None:
        return {"generator": Side(theirs, None)}
    sent = cpu_seconds(senders)
    if set(theirs) & set(used.cores):
        ours = time.process_time()  # this process shows the progress, on whichever core is free
        return {"machine": Side(tuple({*theirs, *used.cores}), used.cpu_seconds + sent + ours)}
    return {"server": Side(used.cores, used.cpu_seconds), "generator": Side(theirs, sent)}
