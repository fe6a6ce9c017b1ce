"""What more accuracy would cost, or less of it would save: the other good answers to the same question.

An objective is met by one configuration, and the next better one may cost hardly more. So every decision says what
stands beside it: upwards, each that is surely more accurate than the one before, the cheapest first; downwards, each
that surely costs less, the most accurate first. Surely: their difference is more than chance. What a configuration
costs is at most that, where its capacity was found to be at least so much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.decision.merits import differ_in_accuracy, surely_more_accurate, top1
from benchmarks.decision.names import short_names
from benchmarks.stats.intervals import Interval

Entry = dict[str, Any]
FITTING = ("recommended", "tie", "fits")


def trades(entries: list[Entry], wish: dict[str, Any]) -> list[str]:
    """`fm-fast: 2.10 points more accurate for 1.49 times the core time`, and so on.

    `entries` are decided by `benchmarks.decision.verdict`. Empty where nothing is recommended, or nothing else fits.
    """
    def price(entry: Entry) -> Interval:
        low, high = entry["cost"][key]
        return low, high

    def usual(entry: Entry) -> float:
        return float(sum(price(entry)) if joules else entry["cost"]["core_seconds"])

    joules = wish["objective"] == "energy"
    key = "joules_interval" if joules else "core_seconds_interval"
    fitting = [entry for entry in entries if entry["verdict"] in FITTING and (entry["cost"] or {}).get(key)]
    best = next((entry for entry in fitting if entry["verdict"] == "recommended"), None)
    if best is None:
        return []
    others = [*_more_accurate(best, fitting, price), *_cheaper(best, fitting, price)]
    names, what = short_names(entries), "energy" if joules else "core time"
    return [f"{names[entry['id']]}: {_told(entry, best, price, usual)} the {what}" for entry in others]


def _more_accurate(best: Entry, fitting: list[Entry], price: Callable[[Entry], Interval]) -> list[Entry]:
    kept = [best]
    for entry in sorted(fitting, key=lambda entry: price(entry)[1]):
        if surely_more_accurate(entry, kept[-1]):
            kept.append(entry)
    return kept[1:]


def _cheaper(best: Entry, fitting: list[Entry], price: Callable[[Entry], Interval]) -> list[Entry]:
    kept = [best]
    for entry in sorted(fitting, key=lambda entry: (-top1(entry), price(entry)[1])):
        if top1(entry) <= top1(kept[-1]) and price(entry)[1] < price(kept[-1])[0]:
            kept.append(entry)
    return kept[1:]


def _told(
    entry: Entry, best: Entry, price: Callable[[Entry], Interval], usual: Callable[[Entry], float]
) -> str:
    points = 100 * (top1(entry) - top1(best))
    doubt = ", if at all," if not differ_in_accuracy(entry, best) else ""
    gain = f"{abs(points):.2f} points {'more' if points > 0 else 'less'} accurate{doubt}" if points else "as accurate"
    if price(best)[0] == price(entry)[0] == 0:
        return f"{gain} for an unknown share of"
    if price(best)[0] == 0:  # nobody knows how little the recommended one costs
        return f"{gain} for at least {price(entry)[0] / price(best)[1]:.3g} times"
    if price(entry)[0] == 0:
        return f"{gain} for at most {price(entry)[1] / price(best)[0]:.3g} times"
    return f"{gain} for {usual(entry) / usual(best):.3g} times"
