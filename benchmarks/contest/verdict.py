"""From the rows of a contest to `comparison.json`: is B slower, faster, the same, or does nobody know?

    terms, rate, machine, command, created
    confidence  of the intervals: all figures of all comparisons made at once share one risk of 5 %
    figures   {p50, p99: {a_ms, b_ms, ratio, interval, verdict, pairs}}   response time
    baseline  {name, created, policy, differences, drift} where A was measured before; else None
    answers   {a, b: share of requests answered; only_a, only_b, verdict}   paired by schedule; the same test
    accuracy  {a, b, images, only_a, only_b, verdict}   paired on the same images; exact sign test at 1 %
    verdict   slower | less accurate | failing | faster | equivalent | inconclusive
    validity  {valid, reasons, notes, advice}
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contest.duel import Contest
from benchmarks.load.audit import ENOUGH_FOR_P99, Finding, about_the_commits, audit, validity
from benchmarks.load.rows import OK, UNKNOWN, Rows
from benchmarks.load.stored import Load
from benchmarks.stats.ratio import LEAST_PAIRS, compare
from service.comparing import mcnemar

FIGURES = {"p50": 50.0, "p99": 99.0}
SIGN_TEST = 0.01
MORE_FAILING = 0.001   # of all requests: what B may fail more often than A
WORSE = ("slower", "less accurate", "failing")
RISK = 0.05            # of one false alarm or more
# What makes a pair useless for a comparison; that one side is saturated or fails is a result, not a fault of the run.
SPOILS = ("generator-cpu", "rate-not-reached", "send-lag", "never-steady")
RESULTS = ("nothing-succeeded", "saturated", "dropped", "failures")


def derive(contest: Contest) -> dict[str, Any]:
    """Everything the pairs say so far."""
    pairs = contest.loads()
    findings = [replace(finding, reason=f"pair {number}, {load.plan.name.upper()}: {finding.reason}")
                for number, pair in enumerate(pairs, 1) for load in pair for finding in about(load)]
    result: dict[str, Any] = {
        "schema_version": 1, "run_id": contest.folder.name, **{key: contest.facts.get(key) for key in
        ("created", "command", "machine", "cores", "terms", "rate", "datasets")},
        "confidence": 1 - RISK / (len(FIGURES) * contest.terms.comparisons),
        "baseline": (baseline := contest.facts.get("baseline")) and baseline | {"drift": _drift(contest)},
        "pairs": len(pairs), "figures": {}, "answers": None, "accuracy": None,
    }
    least = min((sum(len(load.rows.measured.succeeded) for load in loads) for loads in zip(*pairs, strict=True)),
                default=0)
    findings = [*about_the_commits(result["machine"]), *findings, *about_the_baseline(result), *_too_few(least)]
    result["validity"] = validity(findings)
    if len(pairs) < LEAST_PAIRS:
        return result | {"verdict": "inconclusive"}
    result["answers"] = _answers(pairs)
    result["accuracy"] = _accuracy(pairs)
    margin, confidence = contest.terms.margin, result["confidence"]
    result["figures"] = {name: _figure(pairs, q, margin, confidence) for name, q in FIGURES.items()
                         if all(len(load.rows.measured.succeeded) for pair in pairs for load in pair)}
    if least < ENOUGH_FOR_P99 and "p99" in result["figures"]:
        result["figures"]["p99"]["verdict"] = "inconclusive"  # what happens to one request in a hundred was hardly seen
    return result | {"verdict": overall(result)}


def about(load: Load) -> list[Finding]:
    """What was found about one load, invalid where it spoils the pair."""
    found = [finding for finding in audit(load) if finding.code != "few-requests"]
    codes = {finding.code for finding in found}
    # A server that cannot bear the rate never becomes steady either: that is what the pair shows.
    spoils = set(SPOILS) - ({"never-steady"} if codes & set(RESULTS) else set())
    return [replace(finding, invalid=finding.code in spoils) for finding in found]


def overall(result: dict[str, Any]) -> str:
    """One word. Doubt wins over praise, and harm over everything."""
    answers, verdicts = result["answers"], [figure["verdict"] for figure in result["figures"].values()]
    if answers["verdict"] == "failing":
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


def _figure(
    pairs: list[tuple[Load, Load]], percentile: float, margin: float, confidence: float
) -> dict[str, Any]:
    def statistic(values: NDArray[np.int64]) -> float:
        return max(1.0, float(np.percentile(values, percentile)))

    times = [(a.rows.measured.succeeded.response_us, b.rows.measured.succeeded.response_us) for a, b in pairs]
    found = compare(times, statistic, margin=margin, confidence=confidence)
    a, b = (float(np.mean([statistic(pair[side]) for pair in times])) / 1000 for side in (0, 1))
    return {"a_ms": round(a, 4), "b_ms": round(b, 4), "ratio": found.at, "interval": found.interval,
            "verdict": found.verdict, "pairs": found.pairs}


def _too_few(requests: int) -> list[Finding]:
    """What so many answers of a side, in all pairs, cannot tell."""
    if requests >= ENOUGH_FOR_P99:
        return []
    return [Finding("few-requests", f"{requests} answers of a side cannot compare a p99; {ENOUGH_FOR_P99} are the "
                    "minimum", "more pairs, longer ones, or a higher --rate", invalid=False)]


def about_the_baseline(result: dict[str, Any]) -> list[Finding]:
    """What weakens a comparison whose A was not measured in turns with B."""
    found, baseline, margin = [], result["baseline"], result["terms"]["margin"]
    if baseline is None:
        return []
    if baseline["policy"] == "warn" and baseline["differences"]:
        found.append(Finding("fingerprint", "the baseline is from another place: " + "; ".join(baseline["differences"]),
                             "measure the baseline here", invalid=False))
    found.append(Finding("not-in-turns", f"A was measured at {baseline['created']} and not in turns with B: what the "
                         "machine became since counts as B's doing", "compare A and B side by side to be sure",
                         invalid=False))
    if (drift := baseline["drift"]) is not None and abs(drift - 1) > margin:
        found.append(Finding("machine-drift", f"a fixed piece of work takes {drift:.2f} times as long as when the "
                             "baseline was measured: the machine differs by more than the margin",
                             "measure the baseline anew, or compare A and B side by side"))
    return found


def _drift(contest: Contest) -> float | None:
    """How much longer the reference takes now than in the baseline's time; None where that is not known."""
    before, now = contest.facts["baseline"].get("reference_us"), contest.facts.get("reference_us")
    return round(min(now) / min(before), 4) if before and now else None


def _answers(pairs: list[tuple[Load, Load]]) -> dict[str, Any]:
    """Requests that only one side answered, of those that both were sent: they share a schedule."""
    sides = [[load.rows.measured.outcome == OK for load in loads] for loads in zip(*pairs, strict=True)]
    a, b = (sum(np.count_nonzero(part) for part in parts) / max(1, sum(map(len, parts))) for parts in sides)
    only_a = only_b = 0
    for one, other in zip(*sides, strict=True):
        sent = min(len(one), len(other))
        only_a += int(np.count_nonzero(one[:sent] & ~other[:sent]))
        only_b += int(np.count_nonzero(other[:sent] & ~one[:sent]))
    failing = b < a - MORE_FAILING and mcnemar(only_a, only_b) < SIGN_TEST
    return {"a": float(a), "b": float(b), "only_a": only_a, "only_b": only_b,
            "verdict": "failing" if failing else "no difference shown"}


def _accuracy(pairs: list[tuple[Load, Load]]) -> dict[str, Any]:
    """Images that only one side gets right. An image counts once, however often it was asked about."""
    right_a = _right([a.rows.measured.succeeded for a, _ in pairs])
    right_b = _right([b.rows.measured.succeeded for _, b in pairs])
    both = sorted(set(right_a) & set(right_b))
    only_a = sum(right_a[image] and not right_b[image] for image in both)
    only_b = sum(right_b[image] and not right_a[image] for image in both)
    chance = mcnemar(only_a, only_b)
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
