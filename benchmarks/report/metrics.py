"""What models are compared by: METRICS is the whole list, one row per metric, with its unit and direction.

A metric is a function of one model's entry in a result (see `benchmarks.comparison.result`): of stored raw rows only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.stats.intervals import Interval

Entry = dict[str, Any]  # one element of result["models"]
Value = tuple[float | None, Interval | None]  # a figure and its 95 % interval; None: not measured, not known
NOTHING: Value = (None, None)


@dataclass(frozen=True)
class Metric:
    """One column of a comparison."""

    key: str
    label: str
    unit: str                            # "%", "ms", "req/s", "MB", ""
    better: Literal["higher", "lower"]
    measure: Callable[[Entry], Value]
    source: Callable[[Entry], Entry | None] | None = None  # the load it comes from

    def believable(self, entry: Entry) -> bool:
        """Whether the load behind the figure is valid. What is not believable is shown, never ranked."""
        if self.source is None:
            return True
        load = self.source(entry)
        return load is not None and bool(load["validity"]["valid"])


def load_named(entry: Entry, name: str) -> Entry | None:
    """A load of a model, if it was measured."""
    return next((load for load in entry["loads"] if load["name"] == name), None)


def headline(entry: Entry) -> Entry | None:
    """The open load models are compared at: the first one, at half of the throughput unless rates were given."""
    return next((load for load in entry["loads"] if load["arrival"] != "closed"), None)


def unloaded(entry: Entry) -> Entry | None:
    """The single-stream load: one request at a time."""
    return load_named(entry, "single")


def busiest(entry: Entry) -> Entry | None:
    """The closed load: several connections that always have a request under way."""
    return load_named(entry, "closed")


def card_accuracy(entry: Entry) -> Value:
    """Percent correct on the whole split, as its card says."""
    score = entry["card_accuracy"]
    return (100 * score["top1"], _scaled(score["interval"], 100)) if score else NOTHING


def accuracy_under_load(entry: Entry) -> Value:
    """Percent of the answers under load that were right."""
    found = entry["accuracy"]
    return (100 * found["top1"], _scaled(found["interval"], 100)) if found["n"] else NOTHING


def throughput(entry: Entry) -> Value:
    """Answers per second when connections never pause."""
    load = busiest(entry)
    if load is None or not load["ok"]:
        return NOTHING
    return load["throughput"]["per_second"], _scaled(load["throughput"]["interval"], 1)


def latency(clock: Literal["response_us", "service_us"], percentile: str,
            choose: Callable[[Entry], Entry | None] = headline) -> Callable[[Entry], Value]:
    """A percentile in milliseconds."""

    def measure(entry: Entry) -> Value:
        load = choose(entry)
        if load is None or not load["ok"]:
            return NOTHING
        return load[clock][percentile] / 1000, _scaled(load[clock]["intervals"][percentile], 1 / 1000)

    return measure


def size(entry: Entry) -> Value:
    """Megabytes of the served file."""
    return entry["artifact"]["size_bytes"] / 1e6, None


def parameters(entry: Entry) -> Value:
    """How many numbers were learned."""
    return entry["parameters"], None


METRICS: tuple[Metric, ...] = (
    Metric("card_accuracy", "Accuracy (card)", "%", "higher", card_accuracy),
    Metric("accuracy", "Accuracy under load", "%", "higher", accuracy_under_load),
    Metric("unloaded_p50", "Unloaded p50", "ms", "lower", latency("service_us", "p50", unloaded), unloaded),
    Metric("response_p50", "p50", "ms", "lower", latency("response_us", "p50"), headline),
    Metric("response_p90", "p90", "ms", "lower", latency("response_us", "p90"), headline),
    Metric("response_p99", "p99", "ms", "lower", latency("response_us", "p99"), headline),
    Metric("throughput", "Throughput", "req/s", "higher", throughput, busiest),
    Metric("size", "Size", "MB", "lower", size),
    Metric("parameters", "Params", "", "lower", parameters),
)
BY_KEY = {metric.key: metric for metric in METRICS}


def _scaled(interval: Interval | None, factor: float) -> Interval | None:
    return (interval[0] * factor, interval[1] * factor) if interval else None
