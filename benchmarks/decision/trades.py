"""What more accuracy would cost, or less of it would save: the other good answers to the same question.

An objective is met by one configuration, and the next better one may cost hardly more. So every decision says what
stands beside it: upwards, each that is surely more accurate than the one before, the cheapest first; downwards, each
that surely costs less, the most accurate first. Surely: their intervals do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.decision.merits import accuracy_interval, top1
from benchmarks.decision.names import short_names
from benchmarks.stats.intervals import Interval, overlap

Entry = dict[str, Any]
FITTING = ("recommended", "tie", "fits")


def trades(entries: list[Entry], wish: dict[str, Any]) -> list[str]:
    """`fm-fast: 2.10 points more accurate for 1.49 times the cost`, and so on.

    `entries` are decided by `benchmarks.decision.verdict`. Empty where nothing is recommended, or nothing else fits.
    """
    def price(entry: Entry) -> Interval:
        low, high = entry["cost"][key]
        return low, high

    key = "joules_interval" if wish["objective"] == "energy" else "core_seconds_interval"
    fitting = [entry for entry in entries if entry["verdict"] in FITTING and (entry["cost"] or {}).get(key)]
    best = next((entry for entry in fitting if entry["verdict"] == "recommended"), None)
    if best is None:
        return []
    others = [*_more_accurate(best, fitting, price), *_cheaper(best, fitting, price)]
    names, what = short_names(entries), "energy" if wish["objective"] == "energy" else "cost"
    return [f"{names[entry['id']]}: {_told(entry, best, price)} the {what}" for entry in others]


def _more_accurate(best: Entry, fitting: list[Entry], price: Callable[[Entry], Interval]) -> list[Entry]:
    kept = [best]
    for entry in sorted(fitting, key=price):
        if accuracy_interval(entry)[0] > accuracy_interval(kept[-1])[1]:
            kept.append(entry)
    return kept[1:]


def _cheaper(best: Entry, fitting: list[Entry], price: Callable[[Entry], Interval]) -> list[Entry]:
    kept = [best]
    for entry in sorted(fitting, key=top1, reverse=True):
        if top1(entry) < top1(kept[-1]) and price(entry)[1] < price(kept[-1])[0]:
            kept.append(entry)
    return kept[1:]


def _told(entry: Entry, best: Entry, price: Callable[[Entry], Interval]) -> str:
    points, times = 100 * (top1(entry) - top1(best)), sum(price(entry)) / sum(price(best))
    doubt = ", if at all," if overlap(accuracy_interval(entry), accuracy_interval(best)) else ""
    return f"{abs(points):.2f} points {'more' if points > 0 else 'less'} accurate{doubt} for {times:.3g} times"
