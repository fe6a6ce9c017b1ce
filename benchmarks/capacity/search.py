"""Where to look next for the highest rate that passes, given which trials passed so far. Measures nothing itself.

First the rate is doubled until one fails, then the gap is halved (on a logarithmic scale) until it is narrow enough,
then both ends are tried again until two trials agree: a single lucky or unlucky load decides nothing. Whoever wants
the second trial on another start of the server asks for one first and continues with two later. Every answer
depends on the outcomes alone, so a search that was interrupted continues where it stopped.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.load.schedule import rounded

RESOLUTION = 0.05   # of the rate: how far the two ends of the bracket may be apart
AGREE = 2           # trials that must say the same at both ends
MOST_TRIALS = 60

Outcomes = Mapping[float, Sequence[bool]]  # rate -> whether each trial at it passed, in order


@dataclass(frozen=True)
class Bracket:
    """The highest rate that passed and the lowest above it that failed, in requests per second.

    `low` is None where no rate passed, `high` where the highest that may be tried did.
    """

    low: float | None
    high: float | None


def bracket(outcomes: Outcomes) -> Bracket:
    """What the trials so far say."""
    failing = [rate for rate, trials in outcomes.items() if not _passes(trials)]
    high = min(failing, default=None)
    low = max((rate for rate in outcomes if rate not in failing and (high is None or rate < high)), default=None)
    return Bracket(low, high)


def next_rate(
    outcomes: Outcomes, *, start: float, least: float, most: float, resolution: float = RESOLUTION,
    agree: int = AGREE, decide: float | None = None,
) -> float | None:
    """The rate to try next; None when the bracket is found. With `decide` the bracket has that rate not inside of it.
    """
    if not outcomes:
        return rounded(min(max(start, least), most))
    now = bracket(outcomes)
    if now.high is None:
        assert now.low is not None
        if now.low < rounded(most):
            return rounded(min(2 * now.low, most))
    elif now.low is None:
        if now.high > rounded(least):
            return rounded(max(now.high / 4, least))
    elif now.high > (1 + resolution) * now.low:
        middle = rounded(math.sqrt(now.low * now.high))
        if now.low < middle < now.high:
            return middle
    elif decide is not None and now.low < decide < now.high:
        return decide
    return next((end for end in (now.low, now.high) if end is not None and not _settled(outcomes[end], agree)),
                None)


def search(
    trial: Callable[[float, int], bool | None], *, start: float, least: float, most: float,
    resolution: float = RESOLUTION, agree: int = AGREE, decide: float | None = None,
) -> Bracket:
    """Find the bracket. `trial(rate, number)` says whether the number-th trial (from 0) at a rate passes; None where it
    says nothing, and is to be tried again."""
    outcomes: dict[float, list[bool]] = {}
    sent: Counter[float] = Counter()
    for _ in range(MOST_TRIALS):
        rate = next_rate(outcomes, start=start, least=least, most=most, resolution=resolution, agree=agree,
                         decide=decide)
        if rate is None:
            break
        passed = trial(rate, sent[rate])
        sent[rate] += 1
        if passed is not None:
            outcomes.setdefault(rate, []).append(passed)
    return bracket(outcomes)


def _settled(trials: Sequence[bool], agree: int) -> bool:
    return max(trials.count(True), trials.count(False)) >= agree


def _passes(trials: Sequence[bool]) -> bool:
    """What most trials say; where they are at odds, no rate has passed yet."""
    return trials.count(True) > trials.count(False)
