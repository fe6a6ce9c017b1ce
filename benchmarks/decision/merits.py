"""The figures of a configuration that a decision weighs: accuracy, capacity, cost and energy, with their intervals."""

from __future__ import annotations

import math
from typing import Any

from benchmarks.stats.intervals import Interval, surely_above

Entry = dict[str, Any]
SECONDS_PER_MILLION = 1e6
APART = 1.1  # two steps of the search


def score(entry: Entry, wish: dict[str, Any]) -> Interval:
    """The interval of what is to be large: the rate borne, predictions per core-second or joule, or accuracy; for the
    cost, one over it, and 0 where nobody knows it.

    Capacities count from the lowest to the highest that any pass found: where passes disagree, so might the next one.
    """
    if wish["objective"] == "accuracy":
        return accuracy_interval(entry)
    if wish["objective"] == "cost":
        price = per_hour(entry, wish)
        return (0.0, 0.0) if price is None else (1 / price, 1 / price)
    if wish["objective"] == "energy":
        least, most = energy(entry) or (float("inf"), float("inf"))
        return 1 / most, 1 / least
    low, high = span_of(entry) or (0.0, 0.0)
    share = entry["cores"] if wish["objective"] == "efficiency" else 1
    return low / share, (math.inf if is_open(entry) else high) / share


def usual(entry: Entry, wish: dict[str, Any]) -> float:
    """The lower end of `score` by the bracket that all passes together ended with: what is said, not what decides."""
    if wish["objective"] == "efficiency":
        return efficiency(entry)
    if wish["objective"] == "headroom":
        return _borne(entry)
    return score(entry, wish)[0]


def efficiency(entry: Entry) -> float:
    """Predictions per core-second at capacity."""
    return float(_borne(entry) / entry["cores"])


def _borne(entry: Entry) -> float:
    """The highest rate that passed, by all passes together; 0 where none did."""
    low, _ = bracket_of(entry) or (0.0, 0.0)
    return low


def per_hour(entry: Entry, wish: dict[str, Any]) -> float | None:
    """What an hour of it costs: in cores without a price, else in money. None where a GPU without a price is in it.

    A core is rented whole: one that bears seventeen times the expected rate costs as much as one that just bears it.
    """
    gpu = wish.get("gpu_price_per_hour") if entry["device"] == "cuda" else 0.0
    if gpu is None:
        return None
    core: float = 1.0 if wish["price_per_hour"] is None else wish["price_per_hour"]
    return float(entry["cores"] * core + gpu)


def cost(entry: Entry, wish: dict[str, Any]) -> dict[str, Any] | None:
    """What it costs: cores; core-seconds per million predictions at capacity; money per million where prices are known.

    Money is that of whole cores at the expected rate, and for `efficiency` that of cores which are always busy. Where
    only a lower bound of the capacity is known, the interval begins at 0. It covers what each pass found.
    """
    bracket, span = bracket_of(entry), span_of(entry)
    if bracket is None or span is None:
        return None
    seconds = entry["cores"] * SECONDS_PER_MILLION / bracket[0]
    most, least = (entry["cores"] * SECONDS_PER_MILLION / rate for rate in span)
    interval = (0.0 if is_open(entry) else least, most)
    joules, money, around = energy(entry), None, None
    if wish["price_per_hour"] is not None and (hour := per_hour(entry, wish)) is not None:
        if wish["objective"] == "efficiency":
            share = hour / entry["cores"] / 3600
            money, around = seconds * share, scaled(interval, share)
        else:
            money = hour / 3600 * SECONDS_PER_MILLION / wish["rate"]
            around = (money, money)
    return {
        "cores": entry["cores"], "core_seconds": round(seconds, 1), "core_seconds_interval": interval,
        "money": money, "money_interval": around,
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


def span_of(entry: Entry) -> Interval | None:
    """From the lowest to the highest capacity that a pass found; the bracket itself where all agree."""
    brackets = [bracket for bracket in (bracket_of(entry), *passes_of(entry)) if bracket]
    return (min(low for low, _ in brackets), max(high for _, high in brackets)) if bracket_of(entry) else None


def passes_of(entry: Entry) -> list[Interval]:
    """The brackets that the passes ended with, first to last, of those in which a rate passed and one failed."""
    return [(low, high) for low, high in (noted["bracket"] for noted in entry["passes"]) if low and high]


def disagree(entry: Entry) -> bool:
    """Whether two passes found capacities further apart than the steps of the search explain."""
    found = passes_of(entry)
    return bool(found) and max(low for low, _ in found) > APART * min(high for _, high in found)


def differ_only_in_batching(one: Entry, other: Entry) -> bool:
    """Whether they are the same but for their batch policies."""
    return all(one[key] == other[key] for key in ("model", "runtime", "device", "threads", "workers"))


def is_open(entry: Entry) -> bool:
    """Whether the capacity may be any amount higher: nothing failed, or the generator did."""
    capacity = entry["capacity"]
    return bool(capacity and (capacity["fail_rate"] is None or capacity["blame"]))


def shown_bracket(capacity: dict[str, Any]) -> str:
    """`412 to 430/s`: the rate that passed and the one that the server failed. What something else failed is no bound
    from above."""
    low, high, blame = capacity["pass_rate"], capacity["fail_rate"], capacity.get("blame")
    if low is None:
        return "unknown" if blame else f"below {high:,.0f}/s"
    return f"{low:,.0f} to {high:,.0f}/s" if high and not blame else f"at least {low:,.0f}/s"


def known_accuracy(entry: Entry) -> dict[str, Any] | None:
    """`{top1, interval, n}` on the whole split by the card, or else under load; None where nothing tells it."""
    card, load = entry["card_accuracy"], entry["accuracy"]
    known: dict[str, Any] | None = card or (load if load and load["n"] else None)
    return known


def accuracy_interval(entry: Entry) -> Interval:
    """With 95 % confidence; nothing is known of what has never been scored."""
    low, high = (known_accuracy(entry) or {}).get("interval") or (0.0, 1.0)
    return low, high


def surely_more_accurate(one: Entry, other: Entry) -> bool:
    """Whether the difference is more than chance, with 95 % confidence; False where either is unknown.

    Takes their answers for independent. They are to the same images, so what this tells apart is apart all the more.
    """
    return surely_above(top1(one), accuracy_interval(one), top1(other), accuracy_interval(other))


def differ_in_accuracy(one: Entry, other: Entry) -> bool:
    """Whether it can be told which of the two is more accurate."""
    return surely_more_accurate(one, other) or surely_more_accurate(other, one)


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
