"""Whether the two engines agree, from the latencies of every single request that each has sent.

Both clocks run from the scheduled start to the whole answer. They agree where the whole interval of the ratio lies
within the margin, and differ where it lies beyond it. That the interval merely holds 1 is no agreement: the less is
measured, the more often it does. Then it is open, and the far end says how large a difference may have been missed.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.publish import RESULTS
from benchmarks.crosscheck.loadgen import Found
from benchmarks.crosscheck.turns import RESULT_FILE, Crosscheck, Rounds
from benchmarks.load.audit import MAX_LAG_SHARE, MIN_LAG_US, Finding, about_the_machine, audit, validity
from benchmarks.load.stored import Load
from benchmarks.machine.fingerprint import slug
from benchmarks.stats.intervals import Interval
from benchmarks.stats.ratio import compare, judge, student
from service.card import write_atomically

SCHEMA_VERSION = 2
MARGIN = 0.10              # of the ratio: what two engines may be apart and still be said to agree
Agreement = Literal["agree", "differ", "undecided"]
PERCENTILES = {"server": 99, "single": 90}
TITLES = {"server": "Server (Poisson)", "single": "SingleStream"}
PUBLISHED = RESULTS / "crosscheck"
NOTE = "LoadGen is the load generator of MLPerf Inference. This is not an MLPerf result."


def derive(check: Crosscheck, rounds: Rounds) -> dict[str, Any]:
    """Everything the rounds say."""
    findings = about_the_machine(check.facts["machine"])
    for scenario, pairs in rounds.items():
        for mine, other in pairs:
            findings += [Finding(f.code, f"{mine.plan.name}, ours: {f.reason}", f.advice, invalid=f.invalid)
                         for f in audit(mine)]
            if len(other.latency_us):
                findings += _about(mine.plan.name, other, PERCENTILES[scenario])
    answered = {scenario: pairs for scenario, pairs in rounds.items()
                if all(len(mine.rows.measured.succeeded) and len(other.latency_us) for mine, other in pairs)}
    findings += [Finding("nothing-to-compare", f"{TITLES[scenario]}: a load has no answer at all",
                         "read the server's log in the run folder") for scenario in rounds if scenario not in answered]
    scenarios = [_scenario(scenario, pairs) for scenario, pairs in answered.items()]
    state = validity(findings)
    return {
        "schema_version": SCHEMA_VERSION, "created": check.facts["created"], "command": check.facts["command"],
        "machine": check.facts["machine"], "cores": check.facts["cores"], "terms": check.facts["terms"],
        "datasets": check.facts.get("datasets", {}), "rate": check.facts["rate"],
        "engines": {"ours": rounds["server"][0][0].generator["engine"], "loadgen": rounds["server"][0][1].version},
        "scenarios": scenarios, "verdict": overall(scenarios) if len(answered) == len(rounds) else "undecided",
        "validity": state, "note": NOTE,
    }


def agreement(interval: Interval, margin: float) -> Agreement:
    """What an interval of the ratio says."""
    said: dict[str, Agreement] = {"equivalent": "agree", "inconclusive": "undecided"}
    return said.get(judge(interval, margin), "differ")


def overall(scenarios: list[dict[str, Any]]) -> Agreement:
    """One word: a difference anywhere over doubt anywhere."""
    found: set[Agreement] = {entry["verdict"] for entry in scenarios}
    return "differ" if "differ" in found else "agree" if found == {"agree"} else "undecided"


def _scenario(scenario: str, pairs: list[tuple[Load, Found]]) -> dict[str, Any]:
    percentile = PERCENTILES[scenario]
    both = [(mine.rows.measured.succeeded.response_us, other.latency_us) for mine, other in pairs]

    def statistic(values: NDArray[np.int64]) -> float:
        return float(np.percentile(values, percentile))

    ours, theirs = (_engine([pair[side] for pair in both], percentile) for side in (0, 1))
    ratio = compare(both, statistic, margin=MARGIN)
    return {
        "scenario": scenario, "title": TITLES[scenario], "percentile": percentile, "ours": ours, "loadgen": theirs,
        "ratio": {"at": ratio.at, "interval": ratio.interval, "margin": MARGIN},
        "verdict": agreement(ratio.interval, MARGIN),
    }


def _engine(runs: list[NDArray[np.int64]], percentile: float) -> dict[str, Any]:
    """The percentile of each run, and an interval of 95 % from how they scatter, on a logarithmic scale."""
    values = [float(np.percentile(run, percentile)) for run in runs]
    logs = np.log(values)
    error = student(len(runs), 0.95) * float(logs.std(ddof=1)) / math.sqrt(len(runs))
    middle = float(logs.mean())
    return {
        "requests": sum(map(len, runs)), "runs_us": [round(value, 1) for value in values],
        "at_us": round(math.exp(middle), 1),
        "interval_us": [round(math.exp(middle - error), 1), round(math.exp(middle + error), 1)],
        "median_us": float(np.median(np.concatenate(runs))),
    }


def _about(name: str, found: Found, percentile: int) -> list[Finding]:
    """What may be wrong with LoadGen's own load, or with how it was read."""
    findings = []
    if found.failures:
        told = ", ".join(f"{count} x {problem}" for problem, count in found.failures.items())
        findings.append(Finding("loadgen-failures", f"{name}, LoadGen: {told}", "read the server's log"))
    value, lag = (float(np.percentile(values, p)) for values, p in
                  ((found.latency_us, percentile), (found.delay_us, 99)))
    if name.startswith("server") and lag > (allowed := max(MIN_LAG_US, MAX_LAG_SHARE * value)):
        findings.append(Finding("loadgen-lag", f"{name}, LoadGen: p99 of its send lag is {lag / 1000:.1f} ms, more "
                                f"than {allowed / 1000:.1f} ms", "close what else runs here, or lower the rate"))
    said = found.percentiles_said_ns.get(f"{percentile}.00")
    ordered = np.sort(found.latency_us)
    near = ordered[max(0, int(len(ordered) * percentile / 100) - 2):][:4]
    if said is None or not near[0] - 1 <= said / 1000 <= near[-1] + 1:
        findings.append(Finding("loadgen-misread", f"{name}: LoadGen's summary says p{percentile} {said} ns, its trace "
                                f"{value * 1000:.0f}", "this is a fault here; please report it"))
    return findings


def write(check: Crosscheck, result: dict[str, Any]) -> Path:
    """Store the result beside its rows."""
    return write_atomically(check.folder / RESULT_FILE, json.dumps(result, indent=1).encode() + b"\n")


def publish(result: dict[str, Any], folder: Path = PUBLISHED) -> Path:
    """Store the result to be committed, as `<machine>-<model>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{slug(result['machine'])}-{result['terms']['model'].replace('@', '-v')}.json"
    content = json.dumps(result | {"published": time.strftime("%Y-%m-%d", time.gmtime())}, indent=1).encode() + b"\n"
    return write_atomically(folder / name, content)


def sentences(result: dict[str, Any]) -> list[str]:
    """The result in words."""
    told = []
    for entry in result["scenarios"]:
        ours, theirs, ratio = entry["ours"], entry["loadgen"], entry["ratio"]
        at = f" at {result['rate']:g}/s" if entry["scenario"] == "server" else ""
        told.append(
            f"{entry['title']}{at}: p{entry['percentile']} {_ms(ours)} by our engine, {_ms(theirs)} by LoadGen: "
            f"{_verdict(entry)}; LoadGen's is {ratio['at']:.2f} times ours "
            f"({ratio['interval'][0]:.2f} to {ratio['interval'][1]:.2f})")
    return [*told, result["note"]]


def _verdict(entry: dict[str, Any]) -> str:
    (low, high), margin = entry["ratio"]["interval"], entry["ratio"]["margin"]
    farthest = max(high, 1 / low) - 1
    if entry["verdict"] == "agree":
        return f"they agree within {margin:.0%}"
    if entry["verdict"] == "differ":
        return f"they DIFFER by more than {margin:.0%}"
    if low <= 1 <= high:
        return f"no difference found; it may be up to {farthest:.0%}"
    return f"they differ, and whether by more than {margin:.0%} is open; it may be up to {farthest:.0%}"


def _ms(engine: dict[str, Any]) -> str:
    low, high = engine["interval_us"]
    return f"{engine['at_us'] / 1000:.2f} ms ({low / 1000:.2f} to {high / 1000:.2f})"
