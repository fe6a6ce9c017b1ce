"""Finds the capacity of one running server: probes until the bracket stands, each stored when it is done.

A probe that already lies in the folder, with exactly the same plan, is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.capacity.probe import Effort, Judgement, as_json, counting, judge, least_provable, planned
from benchmarks.capacity.search import AGREE, Bracket, bracket, search
from benchmarks.capacity.slo import Slo
from benchmarks.load.audit import Finding
from benchmarks.load.generator import Progress, send
from benchmarks.load.stored import Load, find_load
from benchmarks.machine.server import Reachable

MOST = 20_000.0  # requests per second; no single generator process sends more


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked, and with which bodies."""

    model: str
    path: str        # "/predict?model=…"
    payloads: Path
    folder: Path     # where every probe is stored
    seed: int = 0


def find_capacity(
    target: Target, server: Reachable, slo: Slo, effort: Effort, *, start: float, cores: tuple[int, ...] = (),
    most: float = MOST, wanted: float | None = None, agree: int = AGREE, decide: bool = False,
    step: Callable[[str, float], Progress] = lambda _title, _seconds: lambda _said: None,
    check: Callable[[Load], None] = lambda _: None,
) -> tuple[Bracket, list[Judgement]]:
    """The bracket, and every probe behind it in the order of the search. `start` is the first rate tried.

    A rate below `effort.least_rate` is tried only where `wanted` is one. With `decide`, `wanted` itself is tried where
    it would lie within the bracket. `check` is given every load before it is judged, and may raise.
    """
    judgements: list[Judgement] = []

    def trial(rate: float, number: int) -> bool | None:
        load = probe(target, server, slo, effort, rate, number, cores=cores, step=step)
        check(load)
        found = judge(load, slo, number)
        judgements.append(found)
        return found.held if found in counting(judgements) else None

    asked = [max(wanted, least_provable(slo, effort.dispersion))] if wanted else []
    least = min(effort.least_rate(slo), most, *asked)
    found = search(trial, start=start, least=least, most=most, resolution=effort.resolution, agree=agree,
                   decide=wanted if decide else None)
    return found, judgements


def probe(
    target: Target, server: Reachable, slo: Slo, effort: Effort, rate: float, number: int, *,
    cores: tuple[int, ...] = (),
    step: Callable[[str, float], Progress] = lambda _title, _seconds: lambda _said: None,
) -> Load:
    """The number-th load (from 0) at a rate: as it lies on disk, or sent now."""
    plan = planned(rate, number, slo, effort, model=target.model, path=target.path, seed=target.seed)
    stored = find_load(target.folder, plan)
    if stored is not None:
        return stored
    again = " again" if number else ""
    progress = step(f"{rate:g} requests/s{again}", plan.warmup + plan.seconds)
    return send(plan, server, payloads=target.payloads, folder=target.folder, cores=cores, progress=progress)


def stored_probes(loads: Mapping[str, Load], slo: Slo) -> tuple[list[Load], list[Judgement]]:
    """The probes among loads by name, in the order in which they were sent, and what each says."""
    probes = sorted((load for load in loads.values() if load.plan.name.startswith("rate-")),
                    key=lambda load: (load.generator["finished_at"], load.plan.name))
    return probes, [judge(load, slo, int(load.plan.name.rsplit("-", 1)[1]) - 1) for load in probes]


def bracket_of(judgements: Iterable[Judgement]) -> Bracket:
    """What all probes together say that say something."""
    outcomes: dict[float, list[bool]] = {}
    for found in counting(judgements):
        outcomes.setdefault(found.rate, []).append(found.held)
    return bracket(outcomes)


def summary(found: Bracket, judgements: Sequence[Judgement], slo: Slo) -> dict[str, Any]:
    """The capacity as JSON-ready figures: the bracket, what binds it, and every probe."""
    counted = counting(judgements)
    failing = _decisive([j for j in counted if j.rate == found.high])
    return {
        "percentile": slo.percentile,
        "limit_us": slo.limit_us,
        "confidence": 0.99,
        "pass_rate": found.low,
        "fail_rate": found.high,
        "bound_by": _bound_by(found, failing),
        "blame": next((j.blame for j in sorted(failing, key=lambda j: not j.disturbed) if j.blame), None),
        "probes": [as_json(judgement) for judgement in judgements],
        "spoilt": len(judgements) - len(counted),
    }


def about(capacity: Mapping[str, Any], whose: str = "") -> list[Finding]:
    """What to know about a `summary`: probes that did not count, and an end of the search not set by the server."""
    found, count = [], capacity["spoilt"]
    if count:
        which = "1 probe that failed by what it" if count == 1 else f"{count} probes that failed by what they"
        found.append(Finding("disturbed", f"{whose}{which} missed while something else had the cores did not count",
                             "close what else runs on this machine", invalid=False))
    if capacity["blame"]:
        found.append(Finding(f"{capacity['bound_by']}-bound", f"{whose}{capacity['blame']}", "the capacity is a lower "
                             "bound; use a quieter machine, or another one to send from", invalid=False))
    return found


def _decisive(probes: list[Judgement]) -> list[Judgement]:
    """Of the probes at the lowest rate that failed, those that failed it: the server's own where they are enough."""
    failing = [probe for probe in probes if not probe.held]
    own = [probe for probe in failing if not probe.blame]
    return own if len(own) >= max(AGREE, len(probes) - len(failing)) else failing


def _bound_by(found: Bracket, failing: list[Judgement]) -> str:
    """`latency`, `failures`, `generator`, `machine`, or `nothing` where the highest rate passed."""
    if found.high is None:
        return "nothing"
    if any(j.disturbed for j in failing):
        return "machine"
    if any(j.blame for j in failing):
        return "generator"
    failures = sum(j.failed + j.timeouts + j.dropped for j in failing)
    return "failures" if failures > sum(j.late for j in failing) else "latency"
