"""What many predictions per second need: arithmetic that anyone can follow, from measurements and named assumptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.machine.server import serving
from benchmarks.scale import words
from benchmarks.scale.__main__ import MODELS, SPLIT
from benchmarks.scale.calculation import BALANCE, DEMANDS, FRAME, SPARE, TAIL_SHARE, Core, need, target
from benchmarks.scale.wire import measure

pytestmark = pytest.mark.slow

CORE = Core(label="toy", accuracy=0.9, objective="p99 ≤ 20 ms", limit_s=0.02, capacity=1250.0, target=1000.0,
            target_p99_us=9000.0)
WIRE = {"request_bytes": 600.0, "answer_bytes": 2000.0, "series": 100, "scrape_bytes": 15_000, "models": 1,
        "supervisor_bytes": 80_000_000, "worker_bytes": 300_000_000}


def probe(rate: float, milliseconds: float, *, passed: bool = True) -> dict[str, Any]:
    return {"rate": rate, "percentile_us": milliseconds * 1000, "passed": passed}


def test_a_core_is_given_the_rate_up_to_which_every_probe_kept_within_its_share() -> None:
    curve = [probe(300, 9), probe(100, 2), probe(200, 4), probe(200, 11), probe(400, 5)]

    assert TAIL_SHARE == 0.5
    assert target(curve, 20_000) == (100, 2000)
    assert target(curve, 22_000) == (400, 11_000)
    assert target([probe(100, 5, passed=False)], 20_000) is None


def test_demand_becomes_replicas_with_spare_ones_and_their_price() -> None:
    found = need(1000, CORE, price=0.05, doubling=1.9, wire=WIRE)

    assert (BALANCE, SPARE) == (0.8, 0.1)
    assert (found.working, found.spare, found.replicas, found.cores) == (2, 1, 3, 3)
    assert found.per_hour == pytest.approx(0.15)
    assert found.per_million == pytest.approx(0.15 / 3.6)
    assert (found.in_flight, found.series) == (20, 300)
    assert found.memory_gb == pytest.approx(3 * 0.38)


def test_several_workers_bear_what_two_were_measured_to_bear() -> None:
    found = need(100_000, CORE, price=1, doubling=1.6, wire=WIRE)

    assert found.cores_each == DEMANDS[100_000] == 4
    assert found.memory_gb == pytest.approx(found.replicas * (0.08 + 4 * 0.3))
    assert found.working == 100_000 / (1000 * 0.8 * 0.8 * 4) + 0.9375  # 39.0625, and nobody can have a part
    assert need(100_000, CORE, price=1, doubling=2.4, wire=WIRE).working == 32  # more than twice is chance


def test_the_wire_carries_packets_and_not_only_bodies() -> None:
    found = need(1000, CORE, price=1, doubling=2, wire=WIRE)

    assert found.packets == 1000 * 2 * 3  # one there, two back, and as many acknowledgements
    assert found.in_gbit * 1e9 == pytest.approx(1000 * 8 * (600 + 3 * FRAME))
    assert found.out_gbit * 1e9 == pytest.approx(1000 * 8 * (2000 + 3 * FRAME))


def test_without_counts_nothing_is_calculated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing" not in words.scale()

    monkeypatch.setattr(words, "WIRE", tmp_path / "wire.json")

    assert words.scale() == words.NOTHING


def test_bytes_and_series_are_counted_at_a_real_server(tmp_path: Path) -> None:
    with serving(root=MODELS, log=tmp_path / "server.log") as server:
        found = measure(server, SPLIT)

    published = json.loads(words.WIRE.read_bytes())
    assert found["requests"] == 200
    assert found["models"] == published["models"]
    assert found["request_bytes"] == pytest.approx(published["request_bytes"], rel=0.1)
    assert found["series"] == pytest.approx(published["series"], rel=0.1)
    assert found["answer_bytes"] > 100
    assert found["scrape_bytes"] > 10 * found["series"]
    assert found["series"] > 100 * found["models"]  # each has its histograms, and none before it was asked
    assert found["worker_bytes"] > found["supervisor_bytes"] > 0
