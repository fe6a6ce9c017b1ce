"""The leaderboard's file: found where a setting or a model root has it, and every fault told instead of an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.board import FILE, Board, BoardFile, Decision, Row, read
from service.settings import Settings

BOARD = Board(machine="a machine", measured="2026-01-01", command=[],
              rows=[Row(model="toy@1", sha256="0" * 64, runtime="onnxruntime", capacity=(1, 2))])


def test_the_setting_counts_more_than_the_file_in_a_model_root(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(BoardFile(boards=[]).model_dump_json())
    mine = tmp_path / "mine.json"
    mine.write_text(BoardFile(boards=[BOARD]).model_dump_json())

    assert read(Settings(models=(tmp_path,))).boards == []
    assert read(Settings(models=(tmp_path,), leaderboard=mine)).boards == [BOARD]


def test_where_nothing_was_measured_it_says_how_to(tmp_path: Path) -> None:
    assert "python -m benchmarks" in (read(Settings(models=(tmp_path,))).problem or "")


def test_a_decision_s_command_names_the_root_that_has_the_model_here(tmp_path: Path) -> None:
    (tmp_path / "my models" / "toy" / "1").mkdir(parents=True)
    decision = Decision(recommended="toy@1", sentence="Deploy toy.", because=[], objective="p99 ≤ 20 ms",
                        min_accuracy=0.5, rate=100, command="WEIGHBRIDGE_MODELS=artifacts python -m bentoml serve .")
    board = BOARD.model_copy(update={"decisions": [decision, decision.model_copy(update={"recommended": "far@1"})]})
    (tmp_path / FILE).write_text(BoardFile(boards=[board]).model_dump_json())

    (found,) = read(Settings(models=(tmp_path, tmp_path / "my models"))).boards

    assert [each.command for each in found.decisions] == [
        f"WEIGHBRIDGE_MODELS='{tmp_path}/my models' python -m bentoml serve .", decision.command]


@pytest.mark.parametrize(("content", "told"), [
    ("{", "cannot be read"), ('{"boards": [{}]}', "machine"), ('{"schema_version": 2, "boards": []}', "reads 1"),
])
def test_a_faulty_file_is_told_and_not_shown(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / FILE).write_text(content)

    found = read(Settings(models=(tmp_path,)))

    assert told in (found.problem or "")
    assert found.boards == []
