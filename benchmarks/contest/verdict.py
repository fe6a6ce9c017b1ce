"""From the rows of a contest to `comparison.json`: is B slower, faster, the same, or does nobody know?

    terms, rate, machine, command, created
    figures   {p50, p99: {a_ms, b_ms, ratio, interval, verdict, pairs}}   response time, 97.5 % intervals: two figures
              share one risk of 5 %
    answers   {a, b: share of requests answered}
    accuracy  {a, b, images, only_a, only_b, verdict}   paired on the same images; exact sign test at 1 %
    verdict   slower | less accurate | failing | faster | equivalent | inconclusive
    validity  {valid, reasons, notes, advice}
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest.duel import Contest
from benchmarks.load.audit import audit, validity
from benchmarks.load.rows import UNKNOWN, Rows
from benchmarks.load.stored import Load
from benchmarks.stats.ratio import LEAST_PAIRS, compare

FIGURES = {"p50": 50.0, "p99": 99.0}
SIGN_TEST = 0.01
MORE_FAILING = 0.001   # of all requests: what B may fail more often than A
WORSE = ("slower", "less accurate", "failing")
# What makes a pair useless for a comparison; that one side is saturated or fails is a result, not a fault of the run.
SPOILS = ("generator-cpu", "rate-not-reached", "send-lag")


def derive(contest: Contest) -> dict[str, Any]:
    """Everything the pairs say so far."""
    pairs = contest.loads()
    findings = [replace(finding, invalid=finding.code in SPOILS,
                        reason=f"pair {number}, {load.plan.name.upper()}: {finding.reason}")
                for number, pair in enumerate(pairs, 1) for load in pair for finding in audit(load)
                if finding.code != "few-requests"]
    result: dict[str, Any] = {
        "schema_version": 1, "run_id": contest.folder.name, **{key: contest.facts.get(key) for key in
        ("created", "command", "machine", "cores", "terms", "rate", "datasets")},
        "pairs": len(pairs), "figures": {}, "answers": None, "accuracy": None, "validity": validity(findings),
    }
    if len(pairs) < LEAST_PAIRS:
        return result | {"verdict": "inconclusive"}
    result["answers"] = {"a": _answered(a for a, _ in pairs), "b": _answered(b for _, b in pairs)}
    result["accuracy"] = _accuracy(pairs)
    result["figures"] = {name: _figure(pairs, q, contest.terms.margin) for name, q in FIGURES.items()
                         if all(len(load.rows.measured.succeeded) for pair in pairs for load in pair)}
    return result | {"verdict": overall(result)}


def overall(result: dict[str, Any]) -> str:
    """One word. Doubt wins over praise, and harm over everything."""
    answers, verdicts = result["answers"], [figure["verdict"] for figure in result["figures"].values()]
    if answers["b"] < answers["a"] - MORE_FAILING:
        return "failing"
    if result["accuracy"]["verdict"] == "less accurate":
        return "less accurate"
    if not result["validity"]["valid"] or not verdicts:
        return "inconclusive"
    if "slower" in verdicts:
        return "slower"
    if all(verdict == "equivalent" for verdict in verdicts):
        return "equivalent"
    if "faster" in verdicts and "inconclusive" not in verdicts:
        return "faster"
    return "inconclusive"


def _figure(pairs: list[tuple[Load, Load]], percentile: float, margin: float) -> dict[str, Any]:
    def statistic(values: NDArray[np.int64]) -> float:
        return max(1.0, float(np.percentile(values, percentile)))

    times = [(a.rows.measured.succeeded.response_us, b.rows.measured.succeeded.response_us) for a, b in pairs]
    found = compare(times, statistic, margin=margin, confidence=0.975)
    a, b = (float(np.mean([statistic(pair[side]) for pair in times])) / 1000 for side in (0, 1))
    return {"a_ms": round(a, 4), "b_ms": round(b, 4), "ratio": found.at, "interval": found.interval,
            "verdict": found.verdict, "pairs": found.pairs}


def _answered(loads: Any) -> float:
    rows = [load.rows.measured for load in loads]
    return sum(len(part.succeeded) for part in rows) / max(1, sum(len(part) for part in rows))


def _accuracy(pairs: list[tuple[Load, Load]]) -> dict[str, Any]:
    """Images that only one side gets right. An image counts once, however often it was asked about."""
    right_a = _right([a.rows.measured.succeeded for a, _ in pairs])
    right_b = _right([b.rows.measured.succeeded for _, b in pairs])
    both = sorted(set(right_a) & set(right_b))
    only_a = sum(right_a[image] and not right_b[image] for image in both)
    only_b = sum(right_b[image] and not right_a[image] for image in both)
    chance = sign_test(only_a, only_b)
    verdict = "no difference shown"
    if chance < SIGN_TEST:
        verdict = "less accurate" if only_a > only_b else "more accurate"
    n = max(1, len(both))
    return {"a": sum(right_a[image] for image in both) / n, "b": sum(right_b[image] for image in both) / n,
            "images": len(both), "only_a": only_a, "only_b": only_b, "chance": chance, "verdict": verdict}


def _right(parts: list[Rows]) -> dict[int, bool]:
    """Per image, whether it was always answered rightly."""
    found: dict[int, bool] = {}
    for rows in parts:
        right = (rows.predicted == rows.label) & (rows.label != UNKNOWN)
        for image, good in zip(rows.image.tolist(), right.tolist(), strict=True):
            found[image] = found.get(image, True) and good
    return found


def sign_test(one: int, other: int) -> float:
    """How likely a split at least so uneven is by chance: the exact, two-sided form of McNemar's test."""
    n, fewer = one + other, min(one, other)
    return min(1.0, 2 * math.fsum(math.comb(n, k) / 2**n for k in range(fewer + 1))) if n else 1.0
