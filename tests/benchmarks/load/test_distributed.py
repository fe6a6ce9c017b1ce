"""Several real generators under locust's own master: one load, split, merged, and audited as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load.audit import audit
from benchmarks.load.generator import LOCUSTFILE, send, workers_for
from benchmarks.load.plan import Plan
from benchmarks.load.rows import OK
from benchmarks.load.schedule import arrivals
from benchmarks.load.stored import read_load
from benchmarks.load.summary import summarise
from benchmarks.machine.children import ROOT
from benchmarks.machine.ports import free_port
from benchmarks.machine.server import Server

pytestmark = pytest.mark.slow
Fake = Callable[..., AbstractContextManager[Server]]


def test_a_rate_is_split_among_workers_and_merged_exactly(fake: Fake, bodies: Path, tmp_path: Path) -> None:
    plan = Plan(name="open", model="toy@1", arrival="poisson", rate=300.0, seconds=1.5, warmup=0.2, seed=5)
    heard: list[dict[str, float]] = []
    with fake() as server:
        load = send(plan, server, payloads=bodies, folder=tmp_path, progress=heard.append, workers=3)

    shares = [plan.share(k, 3) for k in range(3)]
    scheduled = [len(arrivals("poisson", s.rate, s.warmup, (s.seed, 2))) + len(arrivals("poisson", s.rate, s.seconds,
                                                                                       s.seed)) for s in shares]
    assert [worker["requests"] for worker in load.generator["workers"]] == scheduled
    assert load.rows.count(OK) == len(load.rows) == sum(scheduled)
    assert np.all(np.diff(load.rows.intended) >= 0)
    assert summarise(load)["accuracy"]["top1"] == 1.0
    assert heard[-1]["ok"] > 0


def test_only_a_rate_that_needs_it_is_split() -> None:
    slow, fast = (Plan(name="open", model="toy@1", arrival="poisson", rate=rate, seconds=1) for rate in (500.0, 12e3))

    assert workers_for(slow, (1, 2, 3)) == 1
    assert workers_for(fast, (1,)) == 1
    assert workers_for(fast, (1, 2, 3, 4)) == 3


def test_a_worker_that_dies_makes_the_load_invalid_and_not_endless(fake: Fake, toys: Path, tmp_path: Path) -> None:
    port = free_port()
    run = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE)]
    with fake() as server:
        asked = [f"--host={server.url}", "--rate=100", "--seconds=4", "--split=toys-test",
                 f"--images={toys / 'models'}", f"--save={tmp_path / 'saved'}"]
        master = subprocess.Popen([*run, "--master", f"--master-bind-port={port}", "--expect-workers=2", "--headless",
                                   *asked], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        workers = [subprocess.Popen([*run, "--worker", f"--master-port={port}"], cwd=ROOT,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            for line in master.stderr:
                if "All users spawned" in line:
                    break
            time.sleep(0.5)
            os.kill(workers[0].pid, signal.SIGKILL)
            _, said = master.communicate(timeout=60)
        finally:
            for process in (master, *workers):
                process.kill()
                process.wait()

    load = read_load(tmp_path / "saved", "by-hand")
    assert "workers-lost" in {finding.code for finding in audit(load) if finding.invalid}
    assert "INVALID" in said
    assert json.loads((tmp_path / "saved" / "by-hand.json").read_text())["generator"]["workers_lost"] == 1
