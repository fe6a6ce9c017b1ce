"""The judgement on a job that runs beside /predict, on times made by hand, and the whole for a moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.yielding.__main__ import LIMIT, verdict

ROOT = Path(__file__).parent.parent.parent.parent
ALONE = [np.linspace(1, 2, 500).tolist(), np.linspace(1, 2, 500).tolist()]


def slower(factor: float) -> list[list[float]]:
    return [[factor * each for each in one] for one in ALONE]


def test_a_job_gives_way_when_the_slowest_hundredth_gets_no_slower_than_allowed() -> None:
    fine, bad = verdict(ALONE, slower(LIMIT - 0.01), 100), verdict(ALONE, slower(LIMIT + 0.01), 100)

    assert (fine["gives_way"], bad["gives_way"]) == (True, False)
    assert fine["ratio"] == {"p50": 1.49, "p90": 1.49, "p99": 1.49}
    assert fine["alone"]["requests"] == 1000


def test_a_job_that_did_nothing_proves_nothing() -> None:
    assert not verdict(ALONE, ALONE, 0)["gives_way"]


@pytest.mark.slow
def test_both_sides_are_measured_on_a_real_server() -> None:
    command = [sys.executable, "-m", "benchmarks.yielding", "--rounds", "1", "--seconds", "1", "--utilisation", "0.1"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert ran.returncode in (0, 1), ran.stderr  # a machine that runs tests does not judge
    found = json.loads(ran.stdout[ran.stdout.index("{") : ran.stdout.rindex("}") + 1])
    assert found["alone"]["requests"] == found["beside"]["requests"] > 0
