"""The decision, on entries made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.decision.screening import dominated_by
from benchmarks.decision.trades import trades
from benchmarks.decision.verdict import decide

Entry = dict[str, Any]


@pytest.fixture
def wish() -> dict[str, Any]:
    return {"slo": "p99=20ms", "objective_text": "p99 ≤ 20 ms", "min_accuracy": 0.9, "rate": 200.0,
            "objective": "headroom", "price_per_hour": None}


@pytest.fixture
def one() -> Callable[..., Entry]:
    def build(name: str, accuracy: float = 0.92, low: float | None = 400.0, high: float | None = 420.0,
              cores: int = 1, **changes: Any) -> Entry:
        around = [accuracy - 0.005, accuracy + 0.005]
        return {
            "id": name, "label": name, "cores": cores, "command": f"serve {name}", "unavailable": None,
            "dominated": None, "problem": None, "caching": None, "at_rate": None, "image_shape": [28, 28, 1],
            "card_accuracy": {"top1": accuracy, "interval": around},
            "accuracy": {"top1": accuracy, "interval": around, "n": 1000},
            "capacity": {"pass_rate": low, "fail_rate": high, "blame": None, "bound_by": "latency"},
            "forward_us": {"p50": 100.0, "p90": 110.0, "joined": 90.0}, "passes": [], "resources": None,
            "model": f"{name}@1", "runtime": "onnxruntime", "device": "cpu", "threads": 1, "workers": 1,
            "usual_policy": True, "max_batch": 32, "max_wait_ms": 0.0,
        } | changes

    return build


def test_the_highest_capacity_that_is_accurate_enough_is_recommended_with_its_command(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("small", 0.91, 800, 840), one("big", 0.93, 400, 420)]

    found = decide(entries, wish)

    assert found["recommended"] == "small"
    assert found["sentence"] == ("Deploy small: 91.00 % accurate, and it bears 800 to 840/s with p99 ≤ 20 ms, 4.0 "
                                 "times the 200/s that you expect.")
    assert found["command"] == "serve small"
    assert (found["runner_up"], found["ties"]) == ("big", [])
    assert [entry["verdict"] for entry in entries] == ["recommended", "fits"]


@pytest.mark.parametrize(("changes", "reason"), [
    ({"accuracy": 0.88}, "accuracy 88.00 % [87.50, 88.50] is below 90 %"),
    ({"low": 140.0, "high": 150.0}, "capacity 140 to 150/s is below 200/s"),
    ({"low": None, "high": 5.0}, "no rate down to 5/s keeps p99 ≤ 20 ms"),
    ({"unavailable": "torch is not installed"}, "torch is not installed"),
    ({"dominated": "dominated: x is better"}, "dominated: x is better"),
    ({"problem": "POST /predict answered 503", "capacity": None}, "POST /predict answered 503"),
    ({"caching": {"invalid": True, "reason": "it remembers"}}, "INVALID: it remembers"),
])
def test_every_loser_has_its_reason(
    wish: dict[str, Any], one: Callable[..., Entry], changes: Entry, reason: str
) -> None:
    entries = [one("winner"), one("loser", **changes)]

    found = decide(entries, wish)

    assert found["recommended"] == "winner"
    assert entries[1]["reasons"] == [reason]
    assert entries[1]["verdict"] == "rejected"


def test_wrong_answers_under_load_disqualify(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    wrong = one("wrong")
    wrong["accuracy"] = {"top1": 0.75, "interval": [0.73, 0.77], "n": 1000}

    assert decide([wrong], wish)["recommended"] is None
    (reason,) = wrong["reasons"]
    assert reason == "INVALID: accuracy under load is 75.00 % [73.00, 77.00], the card says 92.00 % [91.50, 92.50]"


def test_overlapping_capacities_are_a_tie_that_accuracy_breaks_openly(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    found = decide([one("quick", 0.91, 410, 430), one("exact", 0.93, 400, 420)], wish)

    assert (found["recommended"], found["ties"]) == ("exact", ["quick"])
    assert "A tie with quick" in found["sentence"]


def test_cost_counts_cores_and_headroom_does_not(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    def entries() -> list[Entry]:
        return [one("wide", low=600, high=630, cores=2), one("narrow", low=400, high=420)]

    assert decide(entries(), wish)["recommended"] == "wide"
    assert decide(entries(), wish | {"objective": "cost"})["recommended"] == "narrow"


def test_a_price_per_core_hour_becomes_money_per_million(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entry = one("x", low=500, high=525)

    decide([entry], wish | {"price_per_hour": 0.36})

    assert entry["cost"]["core_seconds"] == 2000
    assert entry["cost"]["money"] == pytest.approx(0.2)


def test_when_nothing_fits_the_closest_is_named(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    found = decide([one("slow", low=100, high=105)], wish)

    assert found["recommended"] is found["command"] is None
    assert found["sentence"].startswith("Nothing that was tried keeps p99 ≤ 20 ms at 200 requests/s")
    assert "Closest: slow (capacity 100 to 105/s is below 200/s)." in found["sentence"]


def test_doubts_about_the_winner_are_told(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entry = one("x", 0.902)
    entry["capacity"] |= {"bound_by": "generator", "blame": "it was late"}

    caveats = decide([entry], wish)["caveats"]

    assert "its accuracy 90.20 % [89.70, 90.70] may still be below 90 %" in caveats
    assert any("the generator, not the server, ended the search" in caveat for caveat in caveats)


def test_what_is_slower_and_not_more_accurate_is_dominated(one: Callable[..., Entry]) -> None:
    quick, slow = one("quick"), one("slow", forward_us={"p50": 300.0, "p90": 310.0})
    exact = one("exact", 0.95, forward_us={"p50": 300.0, "p90": 310.0})

    assert dominated_by(slow, [quick, slow, exact]) == (
        "dominated: quick is at least as accurate and takes 100 µs instead of 300 µs for an image alone")
    assert dominated_by(quick, [quick, slow, exact]) is None
    assert dominated_by(exact, [quick, slow, exact]) is None


def test_what_is_as_quick_and_less_accurate_is_dominated_as_a_tie_would_go_against_it(
    one: Callable[..., Entry]
) -> None:
    better, worse, other = one("better", 0.93), one("worse", 0.92), one("other", 0.92, max_batch=1)

    assert dominated_by(worse, [better, worse]) == (
        "dominated: better is more accurate and as quick (100 µs and 100 µs for an image alone)")
    assert dominated_by(better, [better, worse]) is None
    assert dominated_by(other, [better, other]) is None


def test_a_difference_that_http_drowns_dominates_nobody(one: Callable[..., Entry]) -> None:
    quick, slow = one("quick", forward_us={"p50": 10.0, "p90": 11.0}), one("slow", forward_us={"p50": 40.0, "p90": 44})

    assert dominated_by(slow, [quick, slow]) is None


def test_the_least_energy_wins_where_it_is_asked_for_and_the_passes_are_its_interval(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    def passes(*joules: float | None) -> list[Entry]:
        return [{"pass": n, "at_rate": {"joules_per_million": value}} for n, value in enumerate(joules, 1)]

    unknown = {"energy_unknown": "no RAPL counters"}
    entries = [one("thrifty", low=300, high=310, passes=passes(900, 950)), one("strong", passes=passes(1500, 1600)),
               one("alike", 0.93, passes=passes(940, 990)), one("dark", passes=passes(None), resources=unknown)]

    found = decide(entries, wish | {"objective": "energy"})

    assert (found["recommended"], found["ties"], found["runner_up"]) == ("alike", ["thrifty"], "strong")
    assert entries[0]["cost"]["joules_interval"] == (900, 950)
    assert entries[3]["reasons"] == ["its energy is unknown: no RAPL counters"]


def test_the_most_accurate_that_bears_the_rate_wins_where_accuracy_decides(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("quick", 0.91, 4000, 4200), one("good", 0.95, 400, 420), one("huge", 0.97, 30, 32)]

    found = decide(entries, wish | {"objective": "accuracy"})

    assert (found["recommended"], found["runner_up"]) == ("good", "quick")
    assert found["because"][0].endswith("the most accurate, as far as can be told; the next, quick: 4.00 points less.")
    assert entries[2]["reasons"] == ["capacity 30 to 32/s is below 200/s"]


def test_of_accuracies_that_overlap_the_cheapest_is_preferred_openly(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("exact", 0.951, 400, 420), one("cheap", 0.95, 800, 840), one("wide", 0.95, 1000, 1050, cores=2)]

    found = decide(entries, wish | {"objective": "accuracy"})

    assert (found["recommended"], found["ties"]) == ("cheap", ["wide", "exact"])
    assert found["sentence"].endswith("A tie with wide and exact: their accuracies overlap, and this one is preferred "
                                      "as the cheapest.")


def test_more_accuracy_has_its_price_told_and_what_is_not_surely_more_is_left_out(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("quick", 0.91, 800, 840), one("good", 0.93, 400, 420), one("dear", 0.93, 250, 260),
               one("hardly", 0.935, 300, 310), one("best", 0.96, 210, 220), one("slow", 0.99, 100, 105)]

    decide(entries, wish)

    assert trades(entries, wish) == ["good: 2.00 points more accurate for 2 times the cost",
                                     "best: 5.00 points more accurate for 3.81 times the cost"]


def test_less_accuracy_has_what_it_saves_told(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("quick", 0.91, 800, 840), one("good", 0.95, 400, 420), one("fair", 0.92, 590, 610)]
    wish |= {"objective": "accuracy"}

    decide(entries, wish)

    assert trades(entries, wish) == ["fair: 3.00 points less accurate for 0.683 times the cost",
                                     "quick: 4.00 points less accurate for 0.5 times the cost"]


def test_where_nothing_fits_or_only_one_there_is_nothing_to_trade(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    for entries in ([one("slow", low=100, high=105)], [one("only")], [one("dark", capacity=None)]):
        decide(entries, wish)

        assert trades(entries, wish) == []
