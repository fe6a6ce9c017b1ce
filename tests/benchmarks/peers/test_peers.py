"""The comparison with peers: its arithmetic on rows made by hand, and the bare contender for real."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.contenders import CONTENDERS, FORMS, find
from benchmarks.peers.rounds import Plan, compare
from benchmarks.peers.summary import summarise
from benchmarks.peers.table import table


def row(contender: str, requests: int, number: int, kind: str = "closed", **more: Any) -> dict[str, Any]:
    return {"round": number, "contender": contender, "kind": kind, "form": "raw", "workers": 1, "requests": requests,
            "seconds": 1.0, "not_200": 0, "broken": 0, "timeouts": 0, "p50_us": 100, "p99_us": 500,
            "client_cpu": 0.1, "server_cpu": 1.0, **more}


def test_a_share_is_taken_within_the_round() -> None:
    rows = [row("bare", 1000, 1), row("fastapi", 500, 1), row("bare", 500, 2), row("fastapi", 400, 2)]

    entry = next(one for one in summarise(rows) if one["contender"] == "fastapi")

    assert entry["ratio"] == {"n": 2, "median": 0.65, "low": 0.5, "high": 0.8}
    assert entry["per_second"]["median"] == 450


def test_two_workers_are_compared_with_the_own_single_one() -> None:
    rows = [row("bare", 1000, 1), row("bare", 1800, 1, "two-workers")]

    assert summarise(rows)[1]["vs_one"]["median"] == 1.8


def shown(rows: list[dict[str, Any]]) -> str:
    """The table of rows of one contender that was measured and of one that was not."""
    return table({
        "machine": {"cpu": "a cpu", "usable_cores": 2, "python": "CPython 3.11", "at": "2026-01-02T03:04:05Z"},
        "plan": {"rounds": 1, "seconds": 1.0}, "cores": {"server": [0], "generator": [1]}, "client": "wrk 4",
        "model": "toy", "forms": {name: {"title": title} for name, (title, _) in FORMS.items()},
        "contenders": [
            {"name": "bare", "label": "Bare", "note": "", "versions": {"starlette": "1"}, "out": None},
            {"name": "ray", "label": "Ray Serve", "note": "", "versions": None, "out": "cannot be installed: no wheel"},
        ],
        "summary": summarise(rows),
    })


def test_the_table_shows_failed_answers_and_who_is_missing() -> None:
    text = shown([row("bare", 1000, 1, not_200=3)])

    assert "| Bare | 1,000 (1.00; 1.00 to 1.00) (!) | – |" in text
    assert "Ray Serve is not measured: cannot be installed: no wheel." in text


def test_what_our_client_could_not_read_is_not_held_against_the_server() -> None:
    nothing = {"p50_us": None, "p99_us": None}

    assert "| Bare | – | not measured: our client could not read its answers | – | – |" in shown(
        [row("bare", 0, 1, "half-own", unread=50, **nothing)])
    assert "| Bare | – | no answer (!) | – | – |" in shown([row("bare", 0, 1, "half-own", broken=50, **nothing)])


def test_a_tail_and_a_second_worker_show_failed_answers_too() -> None:
    rows = [row("bare", 900, 1), row("bare", 500, 1, "half-own", broken=1),
            row("bare", 1800, 1, "two-workers", timeouts=1)]

    assert "| Bare | 500/s, raw | 0.50 ms (0.50 to 0.50) (!) | – | 2.00 (!) |" in shown(rows)


def test_every_contender_with_an_environment_of_its_own_has_its_versions_pinned() -> None:
    for contender in CONTENDERS:
        if contender.pins is not None:
            pins = contender.pins.read_text().split()
            assert pins, contender.name
            assert all("==" in pin for pin in pins), contender.name


def test_an_unknown_contender_is_named() -> None:
    with pytest.raises(ValueError, match="unknown contender nginx; known are bare"):
        find(["nginx"])


@pytest.mark.slow
def test_the_bare_server_is_measured_with_our_own_client_where_wrk_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    findings = compare(Plan(seconds=0.3, rounds=1), find(["bare"]), tmp_path, lambda line: None)

    assert not findings.out
    assert {(each["kind"], each["form"]) for each in findings.rows} == {
        *(("closed", form) for form in FORMS), ("half-own", "raw"), ("half-bare", "raw"), ("two-workers", "raw-32"),
    } - ({("half-bare", "raw")} if len(findings.rows) == 7 else set())
    for each in findings.rows:
        assert (each["client"], each["not_200"], each["broken"]) == ("own", 0, 0)
        assert each["requests"] > 0
