"""What this generator can do on this machine: its floor, and the highest rate at which it still keeps its schedule.

Measured against a server that does nothing. No latency below the floor can be told apart from the generator's own
work, and no capacity near the highest rate says anything about a server.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load.audit import MIN_LAG_US, Finding, audit
from benchmarks.load.disturbance import disturbance
from benchmarks.load.generator import Progress, send
from benchmarks.load.payloads import read_protocol
from benchmarks.load.plan import Plan
from benchmarks.load.protocols.protocol import Protocol
from benchmarks.load.stored import Load
from benchmarks.load.summary import summarise
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import serving
from service.card import write_atomically

COMMAND = (sys.executable, str(Path(__file__).with_name("null_server.py")), "--port", "{port}")
RATES = tuple(250.0 * 2**k for k in range(8))  # 250/s to 32,000/s
FLOOR_REQUESTS = 700
TRIES = 3  # at a rate that failed only while something else had the cores


def calibrate(
    folder: Path, payloads: Path, cores: Cores, *, lag_us: float = MIN_LAG_US, seconds: float = 1.5,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """`{"floor_p50_us", "floor_p99_us", "most_rate", "limited_by", "reach"}`; once per folder, read back after that.

    A rate is kept while p99 of the send lag is at most `lag_us` and nothing else is amiss. One that was not kept while
    something else had the cores is tried again, a few times. `most_rate` is None where not even the lowest was kept.
    `reach` is the highest rate that is sent at all, on time or not: None likewise.
    """
    stored = folder / "calibration.json"
    if stored.exists():
        known: dict[str, Any] = json.loads(stored.read_text())
        return known
    loads = folder / "calibration"
    loads.mkdir(exist_ok=True)
    with serving(root=folder, log=loads / "server.log", cores=cores.server,
                 command=null_server(read_protocol(payloads))) as server:
        alone = Plan(name="floor", model="null", arrival="closed", seconds=seconds, warmup=0.3,
                     at_least=FLOOR_REQUESTS)
        sent = partial(send, server=server, payloads=payloads, folder=loads, cores=cores.generator, progress=progress)
        floor = summarise(sent(alone))
        most, reach, limited_by = None, None, ""
        for rate in RATES:
            if not limited_by and (reason := limit_at(rate, seconds, lag_us, sent)):
                limited_by = reason
            if limited_by and limit_at(rate, seconds, math.inf, sent):
                break
            reach, most = rate, most if limited_by else rate
    result = {"floor_p50_us": floor["service_us"].get("p50"), "floor_p99_us": floor["service_us"].get("p99"),
              "most_rate": most, "limited_by": limited_by or "nothing was too fast", "reach": reach,
              "engine": floor["engine"]}
    write_atomically(stored, json.dumps(result, indent=1).encode() + b"\n")
    return result


def highest(calibration: dict[str, Any]) -> float:
    """Where a search for a capacity ends: a rate that is kept although the generator was late is kept all the more."""
    return float(calibration.get("reach") or calibration["most_rate"] or RATES[0])


def about_the_generator(calibration: dict[str, Any] | None) -> list[Finding]:
    """What a calibration says of whatever is measured with this generator; nothing where there is none yet."""
    if not calibration or calibration["most_rate"] is not None:
        return []
    least, why = f"{RATES[0]:g}/s", calibration["limited_by"]
    if calibration.get("reach") is None:
        return [Finding("generator", f"the generator cannot even send {least} here: {why}", "use a quieter machine")]
    return [Finding("generator", f"the generator is late even at {least}: {why}", "latencies are upper bounds; use a "
                    "quieter machine", invalid=False)]


def limit_at(rate: float, seconds: float, lag_us: float, sent: Callable[[Plan], Load]) -> str | None:
    """Why `rate` is too much for the generator, if it is; `sent` sends a load."""
    for attempt in range(TRIES):
        load = sent(Plan(name=f"open-{rate:g}-{attempt + 1}", model="null", arrival="poisson", rate=rate,
                         seconds=seconds, warmup=0.3, seed=attempt))
        reason, seen = _breathless(load, lag_us), disturbance(load)
        if reason is None or seen is None or not seen.disturbed:
            return reason
    return f"{reason}; {seen}"


def null_server(protocol: Protocol) -> tuple[str, ...]:
    """The command of a server that does nothing and answers so that the protocol's reader has its usual work."""
    if protocol.output is None:
        return COMMAND
    return (*COMMAND, "--output", protocol.output, "--classes", str(protocol.classes or 10))


def _breathless(load: Load, lag_us: float) -> str | None:
    """Why a load was too much for the generator, if it was."""
    found = [finding.reason for finding in audit(load) if finding.invalid and finding.code != "send-lag"]
    rows = load.rows.measured.succeeded
    lag = float(np.percentile(rows.lag_us, 99)) if len(rows) else 0.0
    if lag > lag_us:
        found.append(f"p99 of the send lag is {lag / 1000:.1f} ms at {load.plan.rate:g}/s, more than "
                     f"{lag_us / 1000:.1f} ms")
    return found[0] if found else None
