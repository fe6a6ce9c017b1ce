"""Is a report's figure reproduced? One rule, in the open, for all recipes.

Compared are the report's figure and ours under protocol `report`, the same split and the same way of choosing the
number. Three lengths, in accuracy:

    gap      from our mean over seeds to the reported figure, or to the nearer end of the reported range; 0 inside
    images   half the 95 % Wilson interval of our mean on the test images: closer figures cannot be told apart
    seeds    half the 95 % prediction interval for one more run of ours, from the spread over seeds

1. gap <= images                        reproduced
2. gap <= seeds, five seeds or more     reproduced: the report may well be one more run of our recipe
3. gap <= seeds, fewer seeds            not decidable: it is the small number of seeds that reaches so far
4. otherwise                            not reproduced

One seed alone has no spread. We then take 5 x images for `seeds`: what the difference of two runs would be if seeds
spread by 3.5 standard errors of the test set, the widest we have measured (fm000-linear; most recipes stay below 2.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from training.results.interval import next_run, wilson

REPRODUCED, NOT_REPRODUCED, NOT_DECIDABLE = "reproduced", "not reproduced", "not decidable"
ENOUGH_SEEDS = 5
ONE_SEED = 5  # times `images`


@dataclass(frozen=True)
class Verdict:
    """The word, and the sentence that says why with the numbers it rests on."""

    word: str
    reason: str


def judge(reported: tuple[float, float], figures: Sequence[float], count: int) -> Verdict:
    """The verdict on a reported range (low, high), from our figures, one per seed, on `count` test images each."""
    low, high = reported
    n, mean = len(figures), fmean(figures)
    gap = max(low - mean, mean - high, 0.0)
    bottom, top = wilson(mean, count)
    images = (top - bottom) / 2
    seeds = next_run(figures) if n > 1 else ONE_SEED * images
    ours = f"our {_percent(mean)}" if n == 1 else f"our mean {_percent(mean)} of {n} seeds"
    theirs = f"the reported {_percent(low)}" if low == high else f"the reported {_percent(low)} to {_percent(high)}"
    where = f"{ours} is {_points(gap)} points {'above' if mean > high else 'below'} {theirs}"
    noise = f"{count:,} test images leave ±{_points(images)}"
    spread = f"one more run of ours ±{_points(seeds)}" if n > 1 else "a single seed, whose spread nobody knows, more"
    if gap == 0:
        if low == high:
            return Verdict(REPRODUCED, f"{ours} equals {theirs}")
        return Verdict(REPRODUCED, f"{ours} lies in {theirs}, a range of {_points(high - low)} points")
    if gap <= images:
        return Verdict(REPRODUCED, f"{where}; {noise}")
    if gap <= seeds and n >= ENOUGH_SEEDS:
        return Verdict(REPRODUCED, f"{where}; {noise}, {spread}")
    if gap <= seeds:
        return Verdict(NOT_DECIDABLE, f"{where}; {noise}, {spread}: {ENOUGH_SEEDS} seeds would decide")
    if n == 1:
        spread = f"even {ONE_SEED} times that, granted to a single seed, does not reach"
    return Verdict(NOT_REPRODUCED, f"{where}; {noise}, {spread}")


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float) -> str:
    return f"{100 * share:.2f}"
