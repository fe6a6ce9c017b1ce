from collections.abc import Callable
from typing import Any

from rich.console import Console

from benchmarks.report.sections import answer, trade_off
from benchmarks.report.tables import caption, comparison_table, terminal_table
from benchmarks.report.verdict import sentences


def test_the_readme_table_has_the_most_accurate_model_first_and_leaders_in_bold(result: dict[str, Any]) -> None:
    lines = comparison_table(result).splitlines()

    assert lines[0] == (
        "| Model | Architecture | Accuracy (card), % | p50, ms | p99, ms | Throughput, req/s | Params | Size, MB |"
    )
    assert lines[2] == "| `exact` | toy | **92.00** | 4.50 | 9.00 | 300 | 7,850 | 0.0314 |"
    assert lines[3] == "| `fast` | toy | 80.00 | 1.00 | **2.00** | **900** | 7,850 | 0.0314 |"


def test_invalid_figures_are_struck_out(result: dict[str, Any], entry: Callable[..., dict[str, Any]]) -> None:
    result["models"] = [entry("sick", accuracy=0.9, p99=3.0, throughput=5.0, valid=False)]

    assert "~~3.00~~" in comparison_table(result)


def test_the_caption_names_machine_method_commit_and_validity(result: dict[str, Any]) -> None:
    text = caption(result)

    for needed in ("Abacus 3000", "2 usable cores", "4,000 requests", "Poisson",
                   "50% of each model's own closed-loop throughput", "a closed loop of 8 connections",
                   "one start of each server", "abc123", "valid."):
        assert needed in text
    assert "load average" not in text


def test_the_caption_of_a_busy_machine_says_how_busy(result: dict[str, Any]) -> None:
    result["machine"]["load_average"] = [1.73, 1.0, 1.0]

    assert "; load average 1.73 when it began; " in caption(result)


def test_latencies_at_different_rates_have_no_winner(result: dict[str, Any]) -> None:
    for load, rate in zip((entry["loads"][1] for entry in result["models"]), (450.0, 150.0), strict=True):
        load["rate_requested"] = rate

    assert comparison_table(result).splitlines()[3] == (
        "| `fast` | toy | 80.00 | 1.00 | 2.00 | **900** | 7,850 | 0.0314 |"
    )
    assert "each model was asked at a rate of its own and no latency is marked" in caption(result)
    assert sentences(result)[2] == "Lowest p99: not ranked; each model was asked at a rate of its own."
    assert "not ranked" in answer(result | {"verdict": sentences(result)})
    assert "Up is better; each model was asked at a rate of its own" in trade_off(result)


def test_the_terminal_table_fits_eighty_columns(result: dict[str, Any]) -> None:
    result["models"][0]["name"] = "fm000-tinyvgg"
    console = Console(width=80, record=True)
    console.print(terminal_table(result))

    text = console.export_text()
    assert "fm000-tinyvgg" in text
    assert "…" not in text
