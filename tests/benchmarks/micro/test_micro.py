import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.comparison.settings import Settings
from benchmarks.machine.children import ROOT
from benchmarks.micro.child import run_micro
from benchmarks.micro.timings import read_micro

pytestmark = pytest.mark.slow


def test_micro_percentiles_come_from_raw_timings_and_ratios_from_the_control(tmp_path: Path) -> None:
    def benchmark(name: str, seconds: list[float], **info: object) -> dict:
        return {"group": "decode", "extra_info": {"name": name, **info}, "stats": {"data": seconds, "iterations": 1}}

    file = tmp_path / "micro.json"
    file.write_text(json.dumps({"benchmarks": [
        benchmark("decode png", [n * 1e-6 for n in range(1, 101)], control="control zlib"),
        benchmark("control zlib", [10e-6] * 5),
    ]}))

    png, control = read_micro(file)

    assert (png["p50_us"], png["p99_us"], png["rounds"]) == (pytest.approx(50.5), pytest.approx(99.01), 100)
    assert png["ratio"] == 5.05
    assert control["ratio"] is None


def test_every_result_says_what_ran_and_how_well_with_percentiles(toys: Path, tmp_path: Path) -> None:
    output = tmp_path / "micro.json"
    command = [sys.executable, "-m", "pytest", "benchmarks/micro", "-q", "-p", "no:cacheprovider", "-k", "forward",
               "--weigh-model=a", f"--weigh-root={toys / 'models'}", "--benchmark-max-time=0.01",
               f"--benchmark-json={output}"]

    # it refuses to measure beside other tests, which here does not matter
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    info = json.loads(output.read_text())["benchmarks"][0]["extra_info"]
    assert {"architecture", "runtime", "precision", "device", "threads", "batch", "accuracy", "sha256"} <= set(info)
    assert (info["architecture"], info["precision"], info["batch"]) == ("toy", "float32", 1)
    assert 0 < info["p50_s"] <= info["p95_s"] <= info["p99_s"]


def test_several_turns_share_the_rounds_and_are_read_as_one(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)  # it refuses to measure beside other tests, which here does not matter
    settings = Settings(models=("a",), root=str(toys / "models"), micro_seconds=0.01)
    log, output = tmp_path / "log", tmp_path / "micro.json"

    run_micro(settings, output, log=log, cores=(), only="test_forward and [1-", turns=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "micro.json"]
    assert log.read_text().count("1 passed") == 2
    (timing,), (stored,) = read_micro(output), json.loads(output.read_text())["benchmarks"]
    assert timing["rounds"] == len(stored["stats"]["data"]) >= 2 * 25
    assert stored["extra_info"]["p50_s"] * 1e6 == pytest.approx(timing["p50_us"], abs=0.001)
