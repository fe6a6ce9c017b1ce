"""Who is best at what, in words. A tie is called a tie: where intervals overlap, the order may be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.machine.fingerprint import cpu_name
from benchmarks.report.metrics import BY_KEY, Entry, Metric, Value
from benchmarks.report.numbers import figure, listed
from benchmarks.stats.intervals import overlap

OWN_RATES = "each model was asked at a rate of its own"
QUESTIONS = {"card_accuracy": "most accurate", "response_p99": "lowest p99", "throughput": "highest throughput"}


@dataclass(frozen=True)
class Lead:
    """The best models by one metric: one name, or several that cannot be told apart."""

    names: tuple[str, ...]
    best: Value
    unranked: int   # models without a figure that holds, which might have been better

    @property
    def caveat(self) -> str:
        """What must be said beside the lead, if anything."""
        return f"{self.unranked} without a figure that holds" if self.unranked else ""


def lead(metric: Metric, entries: list[Entry]) -> Lead | None:
    """Who leads; None where nobody has a usable figure.

    A load that was too short to bound its figure leads nobody and ties with nobody: it is not ranked.
    """
    found = [(entry["name"], metric.measure(entry)) for entry in entries if metric.believable(entry)]
    found = [(name, value) for name, value in found
             if value[0] is not None and (metric.source is None or value[1] is not None)]
    if not found:
        return None
    sign = -1 if metric.better == "higher" else 1
    found.sort(key=lambda pair: sign * (pair[1][0] or 0.0))
    best = found[0][1]
    names = tuple(name for i, (name, value) in enumerate(found) if i == 0 or _tied(value, best))
    return Lead(names, best, unranked=len(entries) - len(found))


def comparable(metric: Metric, entries: list[Entry]) -> bool:
    """Whether the figures can be ranked: being quicker at a lower rate of requests is no merit."""
    loads = [metric.source(entry) for entry in entries] if metric.source else []
    return len({load["rate_requested"] for load in loads if load}) <= 1


def sentences(result: dict[str, Any]) -> list[str]:
    """The answer first: what was compared, and who is best at the three things people ask for."""
    entries, machine = result["models"], result["machine"]
    if not entries:
        return ["Nothing was measured."]
    opening = f"{len(entries)} models compared" if len(entries) != 1 else "1 model weighed"
    opening += f" on labelled images of {listed(list(result['datasets']))}, over HTTP, on {cpu_name(machine)}"
    opening += f" ({machine['usable_cores']} usable cores, {result['settings']['runtime']})."
    return [opening, *(_answer(key, phrase, entries) for key, phrase in QUESTIONS.items())]


def _answer(key: str, phrase: str, entries: list[Entry]) -> str:
    metric = BY_KEY[key]
    if not comparable(metric, entries):
        return f"{phrase.capitalize()}: not ranked; {OWN_RATES}."
    found = lead(metric, entries)
    if found is None:
        return f"{phrase.capitalize()}: no figure that holds; the loads are invalid, or of too few requests."
    names, best = listed(found.names), figure(metric, found.best)
    caveat = f" ({found.caveat})" if found.caveat else ""
    if len(entries) == 1:
        return f"{metric.label}: {best}."
    if len(found.names) > 1:
        return f"{phrase.capitalize()}: a tie of {names}; their intervals overlap (best {best}){caveat}."
    return f"{phrase.capitalize()}: {names}, {best}{caveat}."


def _tied(one: Value, best: Value) -> bool:
    return one[1] is None or best[1] is None or overlap(one[1], best[1])
