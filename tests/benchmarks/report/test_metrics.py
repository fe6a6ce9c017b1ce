from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.report.metrics import BY_KEY, METRICS
from benchmarks.report.numbers import figure, listed, number, short_time
from benchmarks.report.verdict import lead, sentences

Build = Callable[..., dict[str, Any]]


def test_every_metric_reads_a_hand_made_entry(entry: Build) -> None:
    model = entry("toy", accuracy=0.9, p99=4.0, throughput=250.0)

    found = {metric.key: metric.measure(model)[0] for metric in METRICS}

    assert found == {
        "card_accuracy": 90.0, "accuracy": 90.0, "unloaded_p50": None, "response_p50": 2.0, "response_p90": 3.2,
        "response_p99": 4.0, "throughput": 250.0, "size": 0.0314, "parameters": 7850,
    }


def test_higher_or_lower_is_better_as_the_metric_says(entry: Build) -> None:
    models = [entry("a", accuracy=0.8, p99=2.0, throughput=100.0), entry("b", accuracy=0.9, p99=5.0, throughput=50.0)]

    assert lead(BY_KEY["card_accuracy"], models).names == ("b",)
    assert lead(BY_KEY["response_p99"], models).names == ("a",)


def test_a_tie_is_called_a_tie_when_intervals_overlap(entry: Build) -> None:
    models = [entry("a", accuracy=0.900, p99=2.0, throughput=9.0), entry("b", accuracy=0.905, p99=9.0, throughput=9.0)]

    assert lead(BY_KEY["card_accuracy"], models).names == ("b", "a")


def test_what_was_too_short_to_bound_its_figure_leads_nobody_and_ties_with_nobody(entry: Build) -> None:
    short = entry("short", accuracy=0.9, p99=29.0, throughput=1.0)
    for load in short["loads"]:
        load["response_us"]["intervals"]["p99"] = None
    models = [entry("a", accuracy=0.9, p99=5.0, throughput=1.0), short]

    assert lead(BY_KEY["response_p99"], models).names == ("a",)
    assert lead(BY_KEY["response_p99"], models).caveat == "1 without a figure that holds"
    assert lead(BY_KEY["response_p99"], [short]) is None


def test_invalid_figures_are_never_ranked(entry: Build) -> None:
    fast = entry("fast", accuracy=0.9, p99=1.0, throughput=999.0, valid=False)
    slow = entry("slow", accuracy=0.9, p99=50.0, throughput=10.0)

    assert lead(BY_KEY["response_p99"], [fast, slow]).names == ("slow",)
    assert lead(BY_KEY["response_p99"], [fast, slow]).caveat == "1 without a figure that holds"
    assert lead(BY_KEY["response_p99"], [fast]) is None


def test_the_answer_names_what_was_compared_and_the_winners(result: dict[str, Any]) -> None:
    opening, accuracy, tail, throughput = sentences(result)

    assert "2 models compared on labelled images of toys-test" in opening
    assert accuracy.startswith("Most accurate: exact, 92.00 %")
    assert tail.startswith("Lowest p99: fast, 2.00 ms")
    assert throughput.startswith("Highest throughput: fast, 900 req/s")


@pytest.mark.parametrize(("key", "value", "text"), [
    ("parameters", 7850, "7,850"), ("parameters", 407_050, "407 k"), ("parameters", 1_628_170, "1.63 M"),
    ("response_p99", 0.6234, "0.623"), ("response_p99", 3.0, "3.00"), ("response_p99", 123.4, "123"),
    ("throughput", 1514.2, "1,514"), ("card_accuracy", 92.1, "92.10"),
    ("size", None, "–"),
])
def test_numbers_carry_the_digits_they_can_bear(key: str, value: float | None, text: str) -> None:
    assert number(BY_KEY[key], value) == text


def test_figures_and_lists_read_as_people_write_them() -> None:
    assert figure(BY_KEY["card_accuracy"], (90.0, (89.0, 91.0))) == "90.00 % [89.00, 91.00]"
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert [short_time(t) for t in (2e-9, 3.5e-5, 0.012, 4)] == ["2 ns", "35 µs", "12 ms", "4 s"]
