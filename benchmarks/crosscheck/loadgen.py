"""Starts LoadGen's driver as a child process, in whichever environment has it, and reads what it found."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.payloads import read_payloads
from benchmarks.machine.children import ROOT, last_lines, start, stop

MODULE = "mlperf_loadgen"
OWN = ROOT / ".venv-crosscheck" / "bin" / "python"
CURE = ("LoadGen is not installed; .tools/bin/uv venv .venv-crosscheck && .tools/bin/uv pip install --python "
        ".venv-crosscheck --group crosscheck")
CONNECTIONS = 16   # open before anything is measured
WARMUP = 200       # requests
BODIES = 2000      # at most
SLACK = 120.0      # seconds beyond the load


class LoadGenError(RuntimeError):
    """LoadGen is not there or its driver failed; the message says what to do or ends with its last words."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One load that LoadGen is to drive."""

    name: str
    scenario: str            # "server" or "single"
    rate: float | None       # requests per second, where it is "server"
    requests: int
    seed: int
    path: str

    @property
    def seconds(self) -> float:
        """About how long it takes; a single stream says nothing about that."""
        return self.requests / self.rate if self.rate else 10.0


@dataclass(frozen=True)
class Found:
    """What LoadGen measured, in the order of its schedule."""

    latency_us: NDArray[np.int64]
    delay_us: NDArray[np.int64]               # from the scheduled moment to the call that sends
    percentiles_said_ns: dict[str, int]       # in LoadGen's own summary
    failures: dict[str, int]
    version: str


def interpreter() -> str:
    """A Python that has LoadGen; LoadGenError with the cure where there is none."""
    if find_spec(MODULE):
        return sys.executable
    if OWN.exists():
        done = subprocess.run([str(OWN), "-c", f"import {MODULE}"], check=False, capture_output=True)  # noqa: S603
        if done.returncode == 0:
            return str(OWN)
    raise LoadGenError(CURE)


def drive(task: Task, url: str, payloads: Path, folder: Path, cores: tuple[int, ...], python: str) -> Found:
    """Have LoadGen send a load, unless its result lies in `folder` already."""
    result = folder / f"{task.name}.loadgen.json"
    order = {**vars(task), "url": url, "warmup": WARMUP, "connections": CONNECTIONS,
             "logs": str(folder / f"{task.name}.logs"), "result": str(result)}
    if not result.exists():
        bodies = read_payloads(payloads)
        order |= {"content_type": bodies.content_type,
                  "bodies": [base64.b64encode(body).decode() for body in bodies.bodies[:BODIES]]}
        asked, log = folder / f"{task.name}.order.json", folder / "loadgen.log"
        asked.write_text(json.dumps(order))
        process = start([python, "-m", "benchmarks.crosscheck.driver", str(asked)], log=log, cores=cores)
        try:
            code = process.wait(task.seconds * 3 + SLACK)
        except subprocess.TimeoutExpired:
            raise LoadGenError(f"{task.name}: LoadGen took too long; {log} ends with\n{last_lines(log)}") from None
        finally:
            stop(process)
        asked.unlink()
        if code != 0 or not result.exists():
            raise LoadGenError(f"{task.name}: LoadGen ended with code {code}; {log} ends with\n{last_lines(log)}")
    said: dict[str, Any] = json.loads(result.read_text())
    return Found(
        latency_us=np.array(said["latency_ns"], np.int64) // 1000,
        delay_us=np.array(said["issue_delay_ns"], np.int64) // 1000,
        percentiles_said_ns=said["percentiles_said_ns"], failures=said["failures"], version=said["loadgen"],
    )
