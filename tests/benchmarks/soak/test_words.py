"""A published soak says what it went through and what came of it."""

from __future__ import annotations

from typing import Any

from benchmarks.soak.words import caption, table

MACHINE = {"cpu": "A CPU", "usable_cores": 2, "at": "2026-01-02T03:04:05Z"}
FAULTS = {"wrong": 0, "lost": 0, "mixed up": 0, "late": 0, "server errors": 0, "failed reloads": 0}
SOAK: dict[str, Any] = {
    "kind": "soak", "seconds": 600, "rate": 2000.0, "utilisation": 0.8, "model": "toy", "workers": 1, "stood": True,
    "machine": MACHINE, "faults": FAULTS, "counts": {"reloads": 29, "left": 600},
    "statuses": {"usual 200": 1_200_000, "broken 400": 12_000}, "memory": {"growth": 0.0012, "flat": True},
}


def test_a_soak_is_a_row_and_a_sentence() -> None:
    assert table([SOAK]).splitlines()[-1] == (
        "| soak | 10 min | 1,212,000 | 0 | 0 | 0 | +0.12% after settling | yes |"
    )
    assert caption(SOAK) == (
        "Soak: 2,000 requests a second, 80% of the capacity; 29 model reloads, 600 clients that left. "
        "toy, 1 worker, A CPU, 2 cores, 2026-01-02."
    )


def test_memory_that_swings_too_much_to_tell_is_not_called_flat() -> None:
    assert "| +0.12% after settling, not decided |" in table([{**SOAK, "memory": {"growth": 0.0012, "flat": None}}])


def test_a_flood_that_was_too_short_to_judge_memory_says_so() -> None:
    flood = {**SOAK, "kind": "fuzz", "seconds": 54.1, "kinds": {"cut": 5, "bomb": 4}, "counts": {"broken": 9},
             "memory": {"growth": None}, "faults": {**FAULTS, "server errors": 1}, "stood": False}

    assert "| 54 s |" in table([flood])
    assert table([flood]).endswith("| 1 | unknown: too short | no |")
    assert caption(flood).startswith("Flood of broken requests: 2 kinds of broken bodies; 9 broken requests. ")
