"""What the service is to reach beside its peers, and whether a published comparison shows that it does.

Every figure is a ratio within a round, so that a slow quarter of an hour counts against no one; medians of the rounds
are held against the goal, and the least and the most of them stand beside it. A few rounds scatter: it is said where
only the median reaches a goal, and where the rounds lie on both sides of 1, which tells nobody who is quicker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.contenders import BARE
from benchmarks.peers.summary import Row, Summary, spread

OURS = "weighbridge"  # with everything switched on
NOT_PEERS = (BARE, OURS, "weighbridge-as-is")
Rates = dict[tuple[str, str, str, int], Row]  # by contender, kind, form and round


@dataclass(frozen=True)
class Goal:
    """`measure` gives the ratio of every round; it must reach `bound`, or stay below it where `most` is set.

    `repeats` names the goal that this one may turn out to repeat: where the quickest peer is always the same one.
    """

    what: str
    bound: float
    measure: Callable[[Rates], list[float]]
    most: bool = False
    repeats: str = ""

    def met(self, found: Summary) -> str:
        """In how many of the rounds, and whether they tell the two apart."""
        median, worst = found["median"], found["high" if self.most else "low"]
        if not self._reached(median):
            return "no"
        said = "in every round" if self._reached(worst) else "by the median, not in every round"
        return said + ("; not told apart" if found["low"] <= 1 <= found["high"] else "")

    def _reached(self, ratio: float) -> bool:
        return ratio <= self.bound if self.most else ratio >= self.bound


def _rate(row: Row) -> float:
    return float(row["requests"] / row["seconds"])


def _beside(other: str, form: str) -> Callable[[Rates], list[float]]:
    def measure(rates: Rates) -> list[float]:
        pairs = [(row, rates.get((other, "closed", form, number))) for (name, kind, asked, number), row in rates.items()
                 if (name, kind, asked) == (OURS, "closed", form)]
        return [_rate(row) / _rate(its) for row, its in pairs if its is not None]

    return measure


def _best_peer(form: str) -> Callable[[Rates], list[float]]:
    """To whichever peer was the quickest of the round."""

    def measure(rates: Rates) -> list[float]:
        found = []
        for (name, kind, asked, number), row in rates.items():
            if (name, kind, asked) == (OURS, "closed", form):
                peers = [_rate(its) for (other, how, which, when), its in rates.items()
                         if (how, which, when) == ("closed", form, number) and other not in NOT_PEERS]
                found += [_rate(row) / max(peers)] if peers else []
        return found

    return measure


def _tail(rates: Rates) -> list[float]:
    """p99 at half of our throughput to bare's at half of its own."""
    found = []
    for (name, kind, form, number), row in rates.items():
        bare = rates.get((BARE, kind, form, number))
        if (name, kind) == (OURS, "half-own") and bare is not None and row["p99_us"] and bare["p99_us"]:
            found.append(row["p99_us"] / bare["p99_us"])
    return found


def _two_workers(rates: Rates) -> list[float]:
    ones = [(row, rates.get((OURS, "closed", form, number))) for (name, kind, form, number), row in rates.items()
            if (name, kind) == (OURS, "two-workers")]
    return [_rate(row) / _rate(one) for row, one in ones if one is not None]


GOALS: tuple[Goal, ...] = (
    Goal("raw pixels, one image: to the bare server", 0.70, _beside(BARE, "raw")),
    Goal("raw pixels, 32 images: to the bare server", 0.95, _beside(BARE, "raw-32")),
    Goal("JSON pixels: to FastAPI", 1.3, _beside("fastapi", "json")),
    Goal("JSON pixels: to the quickest peer", 1.0, _best_peer("json"), repeats="JSON pixels: to FastAPI"),
    Goal("PNG upload: to FastAPI", 1.3, _beside("fastapi", "png")),
    Goal("PNG upload: to the quickest peer", 1.0, _best_peer("png"), repeats="PNG upload: to FastAPI"),
    Goal("p99, each at half of its own throughput: to the bare server's", 2.0, _tail, most=True),
    Goal("two workers: to one", 1.7, _two_workers),
)


def two_workers(result: dict[str, Any]) -> list[float]:
    """What two workers bear to what one does, in every round."""
    return _two_workers(_by_round(result))


def _by_round(result: dict[str, Any]) -> Rates:
    return {(row["contender"], row["kind"], row["form"], row["round"]): row for row in result["rows"]}


def goals_table(result: dict[str, Any]) -> str:
    """Each goal, what was measured, and whether it is met; a goal whose contenders were not there says so."""
    rates = _by_round(result)
    lines = ["| Ratio within a round | Goal | Median (least to most) | Met |", "|---|---:|---:|---|"]
    measured = {goal.what: goal.measure(rates) for goal in GOALS}
    repeated = {goal.repeats: goal.what for goal in GOALS
                if goal.repeats and (ratios := measured[goal.what]) and ratios == measured[goal.repeats]}
    for goal in GOALS:
        if goal.what in repeated.values():
            continue
        what = goal.what + (", the quickest peer" if goal.what in repeated else "")
        found = spread(measured[goal.what])
        bound = f"{'at most' if goal.most else 'at least'} {goal.bound:g}"
        if found is None:
            lines.append(f"| {what} | {bound} | not measured | – |")
        else:
            lines.append(f"| {what} | {bound} | {found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f}) "
                         f"| {goal.met(found)} |")
    return "\n".join(lines)
