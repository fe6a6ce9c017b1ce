"""The planted stall, seen by stock locust and by ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.machine.cores import Cores
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.stall.measure import Stalling, with_locust, with_ours
from benchmarks.stall.publish import as_result, publish
from benchmarks.stall.words import stall_table


@pytest.mark.slow
def test_ours_sees_what_a_closed_loop_hides_and_the_table_says_both(tmp_path: Path) -> None:
    asked = Stalling(first=0.5, stall=1.2, every=60.0, seconds=3.0, rate=40.0)

    theirs = with_locust("Quickstart", asked, tmp_path, Cores((), ()))
    ours = with_ours(asked, tmp_path, Cores((), ()))

    assert theirs["max_ms"] > 1000  # it met the stall, once
    assert theirs["slow_share"] < 0.1
    assert ours["slow_share"] > 0.2
    table = stall_table(as_result(asked, [theirs, ours], fingerprint()))
    assert table.count("|\n") == 4
    assert "sleeps 1.2 s once in 60 s" in table
    assert publish({"rows": []}, tmp_path / "results" / "stall.json").exists()
