import json
from pathlib import Path

import pytest

from benchmarks.micro.timings import read_micro


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
