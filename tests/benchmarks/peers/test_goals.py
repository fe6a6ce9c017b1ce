"""What is to be reached is held against ratios within rounds, and what was not measured is not called met."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.goals import goals_table


def row(contender: str, kind: str, form: str, number: int, rate: float, p99_us: float = 1000.0) -> dict[str, Any]:
    return {"contender": contender, "kind": kind, "form": form, "round": number, "requests": rate, "seconds": 1.0,
            "p99_us": p99_us}


def line(rows: list[dict[str, Any]], what: str) -> str:
    return next(each for each in goals_table({"rows": rows}).splitlines() if each.startswith(f"| {what}"))


def test_a_slow_round_counts_against_no_one() -> None:
    rows = [row(name, "closed", "raw", number, rate / slowness)
            for number, slowness in ((1, 1), (2, 10)) for name, rate in (("bare", 1000), ("weighbridge", 800))]

    assert line(rows, "raw pixels, one image").endswith("| at least 0.7 | 0.80 (0.80 to 0.80) | in every round |")


def test_the_quickest_peer_may_be_another_in_each_round_and_is_never_ourselves() -> None:
    rows = [
        row("weighbridge", "closed", "json", 1, 100), row("weighbridge-as-is", "closed", "json", 1, 500),
        row("bare", "closed", "json", 1, 900), row("fastapi", "closed", "json", 1, 50),
        row("ray", "closed", "json", 1, 80),
        row("weighbridge", "closed", "json", 2, 100), row("fastapi", "closed", "json", 2, 125),
    ]

    reached = "by the median, not in every round; not told apart"
    assert line(rows, "JSON pixels: to the quickest peer").endswith(f"| 1.02 (0.80 to 1.25) | {reached} |")
    assert line(rows, "JSON pixels: to FastAPI |").endswith(f"| 1.40 (0.80 to 2.00) | {reached} |")


def test_one_comparison_does_not_count_twice_where_one_peer_is_always_the_quickest() -> None:
    rows = [row("weighbridge", "closed", "json", 1, 100), row("fastapi", "closed", "json", 1, 50),
            row("ray", "closed", "json", 1, 10)]

    assert line(rows, "JSON pixels: to FastAPI, the quickest peer").endswith("| 2.00 (2.00 to 2.00) | in every round |")
    assert "| JSON pixels: to the quickest peer" not in goals_table({"rows": rows})


def test_a_tail_must_stay_below_its_bound() -> None:
    rows = [row("bare", "half-own", "raw", 1, 500, 400.0), row("weighbridge", "half-own", "raw", 1, 450, 1000.0)]

    assert line(rows, "p99, each at half").endswith("| at most 2 | 2.50 (2.50 to 2.50) | no |")


def test_rounds_on_both_sides_of_one_tell_nobody_who_is_quicker() -> None:
    rows = [row(name, "half-own", "raw", number, 500, p99) for number, p99s in ((1, (1000, 800)), (2, (1000, 1500)))
            for name, p99 in zip(("bare", "weighbridge"), p99s, strict=True)]

    assert line(rows, "p99, each at half").endswith("| 1.15 (0.80 to 1.50) | in every round; not told apart |")


def test_what_was_not_measured_is_not_met() -> None:
    assert all(each.endswith("| not measured | – |") for each in goals_table({"rows": []}).splitlines()[2:])
