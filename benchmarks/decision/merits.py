"""The figures of a configuration that a decision weighs: accuracy, capacity, cost and energy, with their intervals."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.stats.intervals import Interval

Entry = dict[str, Any]
SECONDS_PER_MILLION = 1e6


def score(entry: Entry, wish: dict[str, Any]) -> Interval:
    """The interval of what is to be large: requests per second, or per core-second or joule, or accuracy."""
    if wish["objective"] == "accuracy":
        return accuracy_interval(entry)
    if wish["objective"] == "energy":
        least, most = energy(entry) or (float("inf"), float("inf"))
        return 1 / most, 1 / least
    low, high = bracket_of(entry) or (0.0, 0.0)
    share = entry["cores"] if wish["objective"] == "cost" else 1
    return low / share, (math.inf if is_open(entry) else high) / share


def cost(entry: Entry, wish: dict[str, Any]) -> dict[str, Any] | None:
    """What a million predictions cost at capacity: core-seconds, and money where a price of a core-hour is known.

    Where only a lower bound of the capacity is known, the interval begins at 0.
    """
    bracket = bracket_of(entry)
    if bracket is None:
        return None
    low, high = bracket
    seconds = entry["cores"] * SECONDS_PER_MILLION / low
    price = wish["price_per_hour"]
    interval = (0.0 if is_open(entry) else entry["cores"] * SECONDS_PER_MILLION / high, seconds)
    joules = energy(entry)
    return {
        "core_seconds": round(seconds, 1), "core_seconds_interval": interval,
        "money": None if price is None else seconds / 3600 * price,
        "money_interval": None if price is None else scaled(interval, price / 3600),
        "joules": None if joules is None else sum(joules) / 2, "joules_interval": joules,
    }


def energy(entry: Entry) -> Interval | None:
    """Joules per million predictions at the expected rate: the least and the most of the passes; None where unknown."""
    known = [noted["at_rate"]["joules_per_million"] for noted in entry["passes"]
             if noted["at_rate"] and noted["at_rate"]["joules_per_million"]]
    return (min(known), max(known)) if known else None


def bracket_of(entry: Entry) -> Interval | None:
    """Requests per second that pass and that fail. Where nothing failed, the highest that was tried stands for both."""
    capacity = entry["capacity"]
    if not capacity or capacity["pass_rate"] is None:
        return None
    return capacity["pass_rate"], capacity["fail_rate"] or capacity["pass_rate"]


def is_open(entry: Entry) -> bool:
    """Whether the capacity may be any amount higher: nothing failed, or the generator did."""
    capacity = entry["capacity"]
    return bool(capacity and (capacity["fail_rate"] is None or capacity["blame"]))


def shown_bracket(capacity: dict[str, Any]) -> str:
    """`412 to 430/s`: the rate that passed and the one that failed."""
    low, high = capacity["pass_rate"], capacity["fail_rate"]
    if low is None:
        return f"below {high:,.0f}/s"
    return f"{low:,.0f} to {high:,.0f}/s" if high else f"at least {low:,.0f}/s"


def known_accuracy(entry: Entry) -> dict[str, Any] | None:
    """`{top1, interval, n}` on the whole split by the card, or else under load; None where nothing tells it."""
    card, load = entry["card_accuracy"], entry["accuracy"]
    known: dict[str, Any] | None = card or (load if load and load["n"] else None)
    return known


def accuracy_interval(entry: Entry) -> Interval:
    """With 95 % confidence; nothing is known of what has never been scored."""
    low, high = (known_accuracy(entry) or {}).get("interval") or (0.0, 1.0)
    return low, high


def top1(entry: Entry) -> float:
    """The share of right answers; 0 where nothing tells it."""
    known = known_accuracy(entry)
    return float(known["top1"]) if known else 0.0


def percent(accuracy: dict[str, Any]) -> str:
    """`92.10 % [91.55, 92.61]`."""
    low, high = accuracy["interval"]
    return f"{100 * accuracy['top1']:.2f} % [{100 * low:.2f}, {100 * high:.2f}]"


def scaled(interval: Interval | None, factor: float) -> Interval | None:
    """Both ends times `factor`."""
    return (interval[0] * factor, interval[1] * factor) if interval else None
