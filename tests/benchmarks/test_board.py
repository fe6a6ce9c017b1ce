"""The leaderboard's file says of each model what its results say, and nothing that they do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import board
from benchmarks.comparison.publish import RESULTS
from benchmarks.decision.publish import PUBLISHED
from benchmarks.machine.fingerprint import cpu_and_cores
from service.board import BoardFile


@pytest.fixture(scope="module")
def file() -> BoardFile:
    return board.boards(board.committed())


def test_every_row_is_of_a_measured_file_with_its_capacity(file: BoardFile) -> None:
    results = [json.loads(path.read_bytes()) for path in PUBLISHED.glob("*.json")]
    measured = [(cpu_and_cores(result["machine"]), entry) for result in results for entry in result["configurations"]]
    rows = {(each.machine, row.model, row.runtime, row.threads, row.workers, row.batching): row
            for each in file.boards for row in each.rows}
    assert len(rows) == sum(len(each.rows) for each in file.boards)

    assert measured
    for machine, entry in measured:
        batching = {(32, 0.0): None, (1, 0.0): "no batching", (32, 2.0): "batches of 32 that wait 2 ms"}[
            entry["max_batch"], entry["max_wait_ms"]]
        row = rows.get((machine, entry["model"], entry["runtime"], entry["threads"], entry["workers"], batching))
        if row is None:
            assert entry["dominated"].startswith("the same as")
            continue
        assert row.sha256 == entry["artifact"]["sha256"]
        passed = entry["capacity"]["pass_rate"] if entry["capacity"] else None
        assert (row.capacity[0] if row.capacity else None) == passed
        assert bool(row.ended_by) == bool(row.capacity and entry["capacity"]["blame"])


def test_latency_is_that_of_the_poisson_load_at_half_of_what_a_closed_loop_got_through(file: BoardFile) -> None:
    rows = {(each.machine, row.sha256): row for each in file.boards for row in each.rows}

    for path in RESULTS.glob("*.json"):
        result = json.loads(path.read_bytes())
        for model in result["models"]:
            half = next(load for load in model["loads"] if load["utilisation"] == 0.5)
            row = rows[cpu_and_cores(result["machine"]), model["artifact"]["sha256"]]
            assert row.p99_ms is not None
            assert row.p99_ms.value == pytest.approx(half["response_us"]["p99"] / 1000)
            assert (row.rate, row.half_of) == (half["rate_achieved"], "closed-loop throughput")
        board_of = next(each for each in file.boards if each.machine == cpu_and_cores(result["machine"]))
        assert board_of.load == "Poisson arrivals at half of the closed-loop throughput, from the intended start"


def test_a_load_that_is_not_valid_is_left_out() -> None:
    results = board.committed()
    for result in results:
        for model in result.get("models", ()):
            for load in model["loads"]:
                load["validity"]["valid"] = False

    rows = [row for each in board.boards(results).boards for row in each.rows]

    assert {row.p50_ms for row in rows} == {None}
    assert {row.throughput for row in rows} == {None}


def test_a_machine_that_only_weighed_has_the_latency_of_that_at_half_of_the_capacity() -> None:
    results = [result for result in board.committed() if "configurations" in result]

    rows = {(each.machine, row.sha256): row for each in board.boards(results).boards for row in each.rows
            if not row.batching}

    shown = 0
    for result in results:
        for entry in (each for each in result["configurations"] if each["usual_policy"]):
            row = rows[cpu_and_cores(result["machine"]), entry["artifact"]["sha256"]]
            assert (row.p99_ms is not None) == bool(entry["parts"])
            if row.p99_ms and row.rate and row.capacity:
                assert row.p99_ms.interval is not None
                assert row.rate == pytest.approx(row.capacity[0] / 2, rel=0.2)
                assert row.half_of == "capacity"
                shown += 1
    assert shown


def test_what_could_not_be_tried_is_no_row_and_every_row_says_what_its_capacity_keeps() -> None:
    results = [result for result in board.committed() if "configurations" in result]
    results[0]["configurations"].append(results[0]["configurations"][0] | {"artifact": None, "model": "absent@1"})
    results[0]["wish"]["objective_text"] = "p90 ≤ 50 ms"

    rows = [row for each in board.boards(results).boards for row in each.rows]

    assert "absent@1" not in {row.model for row in rows}
    assert {row.objective for row in rows} == {"p90 ≤ 50 ms", "p99 ≤ 20 ms"}


def test_a_row_without_a_capacity_says_why_and_no_other_row_does(file: BoardFile) -> None:
    rows = [row for each in file.boards for row in each.rows]

    assert {row.model for row in rows if (row.capacity is None) != (row.reason is not None)} == set()
    assert any("dominated: " in (row.reason or "") for row in rows)


def test_what_speaks_against_a_decision_and_where_its_server_ran_come_along() -> None:
    results = [result for result in board.committed() if "configurations" in result][:1]
    results[0]["decision"]["caveats"] = ["its passes disagree"]

    (found,) = board.boards(results).boards

    assert found.decisions[0].caveats == ["its passes disagree"]
    assert found.decisions[0].pinned_to == [0]
    assert found.cores == "server on core 0, generator on core 1"


def test_every_decision_of_a_machine_is_there_with_what_else_would_do(file: BoardFile) -> None:
    told = {(each.machine, found.dataset): found for each in file.boards for found in each.decisions}

    results = [json.loads(path.read_bytes()) for path in PUBLISHED.glob("*.json")]
    assert len(told) == len(results)
    for result in results:
        (dataset,) = {split["dataset"] for split in result["datasets"].values()}
        found = told[cpu_and_cores(result["machine"]), dataset]
        assert found.sentence == result["decision"]["sentence"]
        assert all("times the core time" in trade for trade in found.trades)


def test_of_runs_on_this_machine_the_newest_valid_ones_count(tmp_path: Path) -> None:
    published = next(RESULTS.glob("*.json"))
    for day, name, valid in (("01", "2026-01-01", True), ("02", "2026-01-02", True), ("03", "2026-01-03", False),
                             ("04", "demo-2026-01-04", True), ("01", "mine", True)):
        result = json.loads(published.read_bytes())
        result["finished"] = f"2026-01-{day}T00:00:00Z"
        result["validity"]["valid"] = valid
        result["settings"]["screening"] = name.startswith("demo-")
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result))
    output = tmp_path / "board.json"

    assert board.main(["--runs", str(tmp_path / "runs"), "--output", str(output)]) == 0
    (found,) = BoardFile.model_validate_json(output.read_bytes()).boards
    assert found.measured == "2026-01-02"
    assert found.decisions == []


def test_where_nothing_was_measured_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert board.main(["--runs", str(tmp_path), "--output", str(tmp_path / "board.json")]) == 1
    assert "no valid result" in capsys.readouterr().err
