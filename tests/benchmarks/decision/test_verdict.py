"""The decision, on entries made by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from benchmarks.decision import result, told
from benchmarks.decision.merits import shown_bracket
from benchmarks.decision.screening import dominated
from benchmarks.decision.trades import trades
from benchmarks.decision.verdict import decide
from benchmarks.load.audit import Finding
from benchmarks.machine.fingerprint import fingerprint

Entry = dict[str, Any]


@pytest.fixture
def wish() -> dict[str, Any]:
    return {"slo": "p99=20ms", "objective_text": "p99 ≤ 20 ms", "min_accuracy": 0.9, "rate": 200.0,
            "objective": "headroom", "price_per_hour": None, "gpu_price_per_hour": None}


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
    ({"dominated": "dominated: x is better", "capacity": None}, "dominated: x is better"),
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
    assert found["sentence"].endswith("A tie with quick: their capacities overlap, and this one is preferred for its "
                                      "accuracy.")


def test_a_tie_says_what_overlaps_and_what_broke_it(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("narrow", low=3000, high=3150), one("wide", low=6000, high=6250, cores=2),
               one("next", low=1000, high=1050)]

    found = decide(entries, wish | {"objective": "efficiency"})

    assert ("A tie with wide: their core-seconds overlap, and this one is preferred for its few cores."
            in found["sentence"])
    assert found["because"][0] == ("Of 3 that fit, it, as one of a tie, needs the fewest core-seconds per prediction; "
                                   "the next, next: 3.00 times as much.")


def test_accuracies_whose_intervals_overlap_a_little_can_be_told_apart(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    wish |= {"objective": "cost"}
    exact, quick = one("exact", 0.9425, 400, 420), one("quick", 0.9336, 500, 520)  # half an interval: .5 points
    exact["card_accuracy"]["interval"], quick["card_accuracy"]["interval"] = [0.9378, 0.9469], [0.9286, 0.9383]

    found = decide([quick, exact], wish)
    assert (found["recommended"], found["ties"]) == ("exact", ["quick"])
    assert "this one is preferred for its accuracy." in found["sentence"]
    assert decide([one("quick", 0.9376, 500, 520), exact], wish)["recommended"] == "quick"
    assert decide([quick, exact], wish | {"objective": "accuracy"})["ties"] == []


@pytest.mark.parametrize("objective", ["headroom", "cost", "accuracy"])
def test_a_batch_policy_of_its_own_has_to_be_better_and_not_only_luckier_than_the_usual_one(
    wish: dict[str, Any], one: Callable[..., Entry], objective: str
) -> None:
    wish |= {"objective": objective}
    off: dict[str, Any] = {"usual_policy": False, "max_batch": 1, "model": "usual@1"}
    usual = one("usual", low=400, high=420)

    found = decide([one("off", low=410, high=430, **off), usual], wish)
    assert (found["recommended"], found["ties"]) == ("usual", ["off"])
    assert found["sentence"].endswith("this one batches as the service does anyway: no other policy is better, as far "
                                      "as can be told.")

    assert decide([one("off", low=500, high=520, **off), usual], wish)["recommended"] == "off"
    assert decide([one("off", low=410, high=430, **off | {"threads": 2}), usual], wish)["recommended"] == "off"


@pytest.mark.parametrize("capacity", [
    {"pass_rate": 5000.0, "fail_rate": None, "blame": None, "bound_by": "nothing"},
    {"pass_rate": 5000.0, "fail_rate": 5250.0, "blame": "the generator was late", "bound_by": "generator"},
])
def test_what_may_bear_any_amount_more_is_not_surely_worse(
    wish: dict[str, Any], one: Callable[..., Entry], capacity: Entry
) -> None:
    wish |= {"objective": "efficiency"}
    entries = [one("known", low=3400, high=3550), one("open", 0.95, cores=2, capacity=capacity)]

    found = decide(entries, wish)

    assert (found["recommended"], found["ties"]) == ("open", ["known"])
    assert entries[1]["cost"]["core_seconds_interval"] == (0.0, 400.0)
    assert trades(entries, wish) == []


def test_what_costs_at_most_or_at_least_so_much_is_told_so(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    unbounded = {"pass_rate": 600.0, "fail_rate": None, "blame": None, "bound_by": "nothing"}
    entries = [one("good", 0.95, cores=2, capacity=unbounded), one("dear", 0.99, low=210, high=220)]

    decide(entries, wish | {"objective": "accuracy"})
    assert trades(entries, wish) == ["good: 4.00 points less accurate for at most 0.733 times the core time"]

    decide(entries, wish | {"objective": "efficiency"})
    assert trades(entries, wish) == ["dear: 4.00 points more accurate for at least 1.36 times the core time"]


def test_a_core_costs_the_same_however_little_of_it_is_needed(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("quick", 0.91, 4000, 4200), one("good", 0.95, 400, 420), one("best", 0.952, 210, 220),
               one("wide", 0.97, 900, 940, cores=2)]

    found = decide(entries, wish | {"objective": "cost", "price_per_hour": 0.36})

    assert (found["recommended"], found["ties"], found["runner_up"]) == ("good", ["best", "quick"], "wide")
    assert found["sentence"].endswith("A tie with best and quick: their costs are the same, and this one is as "
                                      "accurate as best, as far as can be told, for less core time.")
    assert found["because"][0] == "Of 4 that fit, it, as one of a tie, costs least; the next, wide: 2.00 times as much."
    assert [entry["cost"]["money"] for entry in entries] == pytest.approx([0.5, 0.5, 0.5, 1.0])  # per million, at 200/s
    assert trades(entries, wish)[-1] == "quick: 4.00 points less accurate for 0.1 times the core time"


def test_cost_counts_cores_and_headroom_does_not(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    def entries() -> list[Entry]:
        return [one("wide", low=600, high=630, cores=2), one("narrow", low=400, high=420)]

    assert decide(entries(), wish)["recommended"] == "wide"
    assert decide(entries(), wish | {"objective": "cost"})["recommended"] == "narrow"


def test_a_price_per_core_hour_becomes_money_per_million(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entry = one("x", low=500, high=525)

    decide([entry], wish | {"price_per_hour": 0.36, "objective": "efficiency"})

    assert entry["cost"]["core_seconds"] == 2000
    assert entry["cost"]["money"] == pytest.approx(0.2)


def test_when_nothing_fits_the_closest_is_named(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    found = decide([one("slow", low=100, high=105)], wish)

    assert found["recommended"] is found["command"] is None
    assert found["sentence"].startswith("Nothing that was tried keeps p99 ≤ 20 ms at 200 requests/s")
    assert "Closest: slow (capacity 100 to 105/s is below 200/s)." in found["sentence"]


def test_of_what_was_not_load_tested_the_most_accurate_is_the_closest(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    found = decide([one("awful", 0.4, capacity=None), one("nearly", 0.89, capacity=None)], wish)

    assert "Closest: nearly (accuracy 89.00 %" in found["sentence"]


def test_a_gpu_is_not_for_nothing(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("cpu"), one("gpu", 0.95, 900, 940, device="cuda")]
    priced = wish | {"objective": "cost", "price_per_hour": 0.05}

    found = decide(entries, wish | {"objective": "cost"})
    assert (found["recommended"], found["runner_up"]) == ("cpu", "gpu")
    assert found["because"][0].endswith("what the GPU costs is not known; --gpu-price-per-hour says it.")
    assert decide(entries, priced | {"gpu_price_per_hour": 2.0})["because"][0].endswith("41.00 times as much.")
    assert decide(entries[1:], priced)["caveats"] == ["what the GPU costs is not known; --gpu-price-per-hour says it"]
    assert decide(entries, wish | {"objective": "efficiency"})["caveats"] == [
        "core-seconds leave out the GPU, which others that fit do without"]


@pytest.mark.parametrize(("over", "requests", "said"), [
    (0, 360, "was too short to prove anything (none of 360 over)"),
    (0, 3551, "never became steady (none of 3,551 over)"),
    (3, 3551, "never became steady (3 of 3,551 over)"),
    (30, 3551, "missed the objective (30 of 3,551 over), though those at 400/s kept it: the machine was restless"),
])
def test_why_the_load_at_the_expected_rate_proves_nothing_is_told(
    wish: dict[str, Any], one: Callable[..., Entry], over: int, requests: int, said: str
) -> None:
    entry = one("x", low=400.0, high=420.0,
                at_rate={"passed": False, "over": over, "requests": requests, "percentile_us": 900.0})

    assert decide([entry], wish)["caveats"] == [f"the load at 200/s itself {said}"]


def test_an_invalid_loser_that_could_not_win_anyway_leaves_the_decision_valid() -> None:
    def findings(*reasons: str) -> list[Finding]:
        entry = {"label": "x", "reasons": list(reasons), "problem": None, "capacity": None}
        return [each for each in result._findings({
            "machine": fingerprint(), "wish": {"screening": False}, "configurations": [entry], "calibration": None,
            "finished": "2026-01-01"}) if each.code == "configuration"]

    assert [each.invalid for each in findings("INVALID: nobody knows")] == [True]
    assert [each.invalid for each in findings("accuracy 80 % is below 90 %", "INVALID: nobody knows")] == [False]


@pytest.mark.parametrize(("low", "high", "blame", "said"), [
    (150.0, None, None, "it bears 150/s, and the generator cannot send more here"),
    (150.0, 160.0, "it was late", "the generator was the limit at 160/s: it was late"),
    (None, 28.0, "it was late", "the generator was the limit at 28/s: it was late"),
])
def test_what_the_generator_kept_from_the_rate_is_unknown_and_not_too_slow(
    wish: dict[str, Any], one: Callable[..., Entry], low: float | None, high: float | None, blame: str | None, said: str
) -> None:
    entry = one("x", low=low, high=high)
    entry["capacity"] |= {"blame": blame, "bound_by": "generator" if blame else "nothing"}

    assert decide([entry], wish)["recommended"] is None
    assert entry["reasons"] == [f"INVALID: whether it bears 200/s is unknown: {said}"]


@pytest.mark.parametrize(("low", "high", "blame", "said"), [
    (412.0, 430.0, None, "412 to 430/s"), (412.0, None, None, "at least 412/s"), (None, 28.0, None, "below 28/s"),
    (412.0, 430.0, "it was late", "at least 412/s"), (None, 28.0, "it was late", "unknown"),
])
def test_what_the_server_did_not_fail_bounds_its_capacity_from_below_only(
    low: float | None, high: float | None, blame: str | None, said: str
) -> None:
    assert shown_bracket({"pass_rate": low, "fail_rate": high, "blame": blame}) == said


def test_doubts_about_the_winner_are_told(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entry = one("x", 0.902)
    entry["capacity"] |= {"bound_by": "generator", "blame": "it was late"}

    caveats = decide([entry], wish)["caveats"]

    assert "its accuracy 90.20 % [89.70, 90.70] may still be below 90 %" in caveats
    assert any("the generator, not the server, ended the search" in caveat for caveat in caveats)


def dominated_by(entry: Entry, entries: list[Entry]) -> str | None:
    """The reason for which an entry cannot win among others."""
    return dominated([entry, *(other for other in entries if other["id"] != entry["id"])]).get(entry["id"])


def test_what_is_slower_and_not_more_accurate_is_dominated(one: Callable[..., Entry]) -> None:
    quick, slow = one("quick"), one("slow", forward_us={"p50": 300.0, "p90": 310.0})
    exact = one("exact", 0.95, forward_us={"p50": 300.0, "p90": 310.0})

    assert dominated_by(slow, [quick, slow, exact]) == (
        "dominated: quick is at least as accurate and takes 100 µs instead of 300 µs for an image alone")
    assert dominated_by(quick, [quick, slow, exact]) is None
    assert dominated_by(exact, [quick, slow, exact]) is None


def test_of_several_that_dominate_the_most_accurate_of_the_quicker_ones_is_named_whatever_their_order(
    one: Callable[..., Entry]
) -> None:
    slow = one("slow", forward_us={"p50": 300.0, "p90": 310.0})
    exact = one("exact", 0.95, forward_us={"p50": 300.0, "p90": 310.0})
    entries = [exact, one("quick"), one("good", 0.94), one("nippy", forward_us={"p50": 50.0, "p90": 55.0}), slow]

    named = {dominated_by(slow, order) for order in permutations(entries)}

    assert named == {"dominated: good is at least as accurate and takes 100 µs instead of 300 µs for an image alone"}


def test_more_workers_and_better_batches_are_not_dominated_by_a_quicker_answer(one: Callable[..., Entry]) -> None:
    wide = one("wide", workers=8, cores=8, forward_us={"p50": 1462.0, "p90": 1500.0, "joined": 900.0})
    deep = one("deep", threads=8, cores=8, forward_us={"p50": 722.0, "p90": 855.0, "joined": 400.0})
    gpu = one("gpu", device="cuda", forward_us={"p50": 206.0, "p90": 210.0, "joined": 5.0})
    cpu = one("cpu", forward_us={"p50": 94.0, "p90": 100.0, "joined": 57.0})

    assert dominated_by(wide, [wide, deep]) is None
    assert dominated_by(gpu, [gpu, cpu]) is None
    assert dominated_by(wide | {"workers": 1}, [wide, deep]) is not None


def test_what_was_load_tested_is_judged_by_its_load_and_not_by_the_bare_runtime(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("quick"), one("loaded", low=3400, high=3500, dominated="dominated: quick is quicker")]

    assert decide(entries, wish)["recommended"] == "loaded"


def test_what_is_as_quick_and_less_accurate_is_dominated_as_a_tie_would_go_against_it(
    one: Callable[..., Entry]
) -> None:
    better, worse, other = one("better", 0.93), one("worse", 0.92), one("other", 0.92, max_batch=1)

    assert dominated_by(worse, [better, worse]) == (
        "dominated: better is more accurate and is as quick: 100 µs instead of 100 µs for an image alone")
    quicker = one("quicker", 0.93, forward_us={"p50": 60.0, "p90": 66.0, "joined": 50.0})
    assert dominated_by(worse, [quicker, worse]) == (
        "dominated: quicker is more accurate and takes 60 µs instead of 100 µs for an image alone")
    assert dominated_by(better, [better, worse]) is None
    assert dominated_by(other, [better, other]) is None


def test_as_quick_does_not_add_up_along_a_chain(one: Callable[..., Entry]) -> None:
    chain = [one(f"m{k}", 0.92 + k / 10_000, forward_us={"p50": 20.0 + 9 * k, "p90": 21.0 + 9 * k}) for k in range(8)]

    found = dominated(chain)

    assert set(found) == {"m6", "m4", "m2", "m0"}
    assert found == dominated(chain[::-1])


def test_a_difference_that_http_drowns_dominates_nobody(one: Callable[..., Entry]) -> None:
    quick, slow = one("quick", forward_us={"p50": 10.0, "p90": 11.0}), one("slow", forward_us={"p50": 40.0, "p90": 44})

    assert dominated_by(slow, [quick, slow]) is None


def test_where_passes_disagree_whatever_lies_between_is_a_tie_and_is_said(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    def passes(*brackets: tuple[float, float]) -> list[Entry]:
        return [{"pass": n, "bracket": list(bracket), "at_rate": None} for n, bracket in enumerate(brackets, 1)]

    entries = [one("quick", 0.91, 3381, 3531, passes=passes((2497, 2607), (3381, 3531))),
               one("exact", 0.93, 3150, 3289, passes=passes((3150, 3289), (3150, 3289))),
               one("slow", 0.94, 1594, 1664, passes=passes((1594, 1664), (1594, 1664)))]

    found = decide(entries, wish)

    assert (found["recommended"], found["ties"], found["runner_up"]) == ("exact", ["quick"], "slow")
    [caveat] = found["caveats"]
    assert caveat.startswith("passes disagree (quick: 2,497 to 2,607/s, then 3,381 to 3,531/s): the machine was ")
    assert found["because"][0].endswith("the next, slow: bears 47% of that.")


def test_a_step_of_the_search_is_no_disagreement(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    steps = [{"pass": 1, "bracket": [402, 420], "at_rate": None}, {"pass": 2, "bracket": [438, 458], "at_rate": None}]

    assert decide([one("steady", low=438, high=458, passes=steps)], wish)["caveats"] == []


def test_the_least_energy_wins_where_it_is_asked_for_and_the_passes_are_its_interval(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    def passes(*joules: float | None) -> list[Entry]:
        return [{"pass": n, "bracket": [None, None], "at_rate": {"joules_per_million": value}}
                for n, value in enumerate(joules, 1)]

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

    assert (found["recommended"], found["ties"]) == ("cheap", ["exact", "wide"])
    assert found["sentence"].endswith("A tie with exact and wide: their accuracies overlap, and this one is one of the "
                                      "cheapest, and of these takes the least core time.")
    assert decide([entries[1], entries[2]], wish | {"objective": "accuracy"})["sentence"].endswith(
        "A tie with wide: their accuracies overlap, and this one is preferred as the cheapest.")


def test_more_accuracy_has_its_price_told_and_what_is_not_surely_more_is_left_out(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("quick", 0.91, 800, 840), one("good", 0.93, 400, 420), one("dear", 0.93, 250, 260),
               one("hardly", 0.935, 300, 310), one("best", 0.96, 210, 220), one("slow", 0.99, 100, 105)]

    decide(entries, wish)

    assert trades(entries, wish) == ["good: 2.00 points more accurate for 2 times the core time",
                                     "best: 5.00 points more accurate for 3.81 times the core time"]


def test_less_accuracy_has_what_it_saves_told(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("quick", 0.91, 800, 840), one("good", 0.95, 400, 420), one("fair", 0.92, 590, 610)]
    wish |= {"objective": "accuracy"}

    decide(entries, wish)

    assert trades(entries, wish) == ["fair: 3.00 points less accurate for 0.678 times the core time",
                                     "quick: 4.00 points less accurate for 0.5 times the core time"]


def test_as_much_accuracy_for_less_is_told_too(wish: dict[str, Any], one: Callable[..., Entry]) -> None:
    entries = [one("wide", low=6000, high=6200, cores=4), one("narrow", low=3000, high=3100)]

    decide(entries, wish)

    assert trades(entries, wish) == ["narrow: as accurate for 0.5 times the core time"]


def test_where_nothing_fits_or_only_one_there_is_nothing_to_trade(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    for entries in ([one("slow", low=100, high=105)], [one("only")], [one("dark", capacity=None)]):
        decide(entries, wish)

        assert trades(entries, wish) == []


def test_the_headline_counts_apart_what_lost_and_what_makes_no_difference(
    wish: dict[str, Any], one: Callable[..., Entry]
) -> None:
    entries = [one("best"), one("slow", low=50, high=60),
               one("worse", dominated="dominated: best is better", capacity=None),
               one("twin", dominated="the same as best: joining requests does not pay for it", capacity=None)]
    decide(entries, wish)

    assert told._others(entries).startswith(
        "Of 4 configurations: 1 dominated (another is as good in one respect and better in the other), 1 no different "
        "from the usual batching (joining requests does not pay for them), 1 unfit (too slow, or not accurate enough).")
