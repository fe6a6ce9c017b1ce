"""One load at one rate, and whether it kept the objective. Failures, timeouts and drops miss it like late answers do.

A probe stops sending as soon as so many requests have missed that it can no longer pass, so that an overwhelmed server
costs seconds and not minutes. That changes no verdict: what could still come could only add misses.

A probe that failed only by what it missed while something else had the machine says nothing about its rate. It is sent
again, a few times at each rate: on a machine that is never quiet it counts, and the machine takes the blame.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmarks.capacity.slo import Slo
from benchmarks.load.audit import Finding, generator_cpu, lost_workers, never_steady, send_rate
from benchmarks.load.disturbance import disturbance
from benchmarks.load.excuse import excused_us
from benchmarks.load.plan import Plan
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT
from benchmarks.load.schedule import MOST_DISPERSION, arrivals
from benchmarks.load.stored import Load
from benchmarks.stats.earlystop import most_over, requests_needed
from benchmarks.stats.intervals import latency_interval

MIN_LAG_US = 1000
MAX_LAG_SHARE = 0.05   # of the limit
LONGEST_PROBE = 120.0  # seconds: thirty times the longest limit that an objective may have
MARGIN = 1.05          # of requests: a Poisson load sends a few more or fewer than planned
LONGEST_WARMUP = 8     # times the shortest, for a server that is not steady yet
SEEDS_APART = 1000     # between the seeds of two trials at one rate
LEAST_POOL, MOST_POOL = 512, 8192  # requests in flight; the most is what one process can have open
STRAYS = 3             # standard deviations by which the number of requests may fall short of what is planned
MOST_SPOILT = 2        # probes at one rate that do not count because the machine was disturbed


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much each probe sends, and how unevenly."""

    requests: int = 3304     # at least; twenty may exceed a p99
    over: int = 0            # as many at least may exceed a percentile whose proof takes more requests
    seconds: float = 10.0    # at least
    limits: float = 30.0     # times the objective's limit, at least: a queue that grows by 3 % gets there meanwhile
    warmup: float = 1.0
    resolution: float = 0.05
    dispersion: float = 1.0  # of arrivals: 1 is Poisson, more comes in bursts

    def enough(self, slo: Slo) -> int:
        """Requests of a whole probe."""
        return max(self.requests, requests_needed(slo.percentile, self.over))

    def lasting(self, slo: Slo, rate: float) -> float:
        """Seconds of a whole probe. A shorter one would call a rate kept whose queue has not reached the limit yet."""
        spread = 1 + (MARGIN - 1) * math.sqrt(self.dispersion)
        least = max(self.seconds, self.limits * slo.limit_us / 1e6, spread * self.enough(slo) / rate)
        return min(LONGEST_PROBE, least)

    def least_rate(self, slo: Slo) -> float:
        """Below it a whole probe would be too long; shorter ones prove something down to `least_provable`."""
        return self.enough(slo) / LONGEST_PROBE


FULL = Effort(over=5)
QUICK = Effort(requests=662, over=1, seconds=2.0, limits=5.0, warmup=0.5, resolution=0.15)


def least_provable(slo: Slo, dispersion: float = 1.0) -> float:
    """The lowest rate (1/s) at which the longest probe can prove the percentile: with one request over the limit, and
    with none where bursts of that dispersion leave it `STRAYS` standard deviations short of requests."""
    root = STRAYS * math.sqrt(dispersion)
    surely = ((root + math.sqrt(root**2 + 4 * requests_needed(slo.percentile, 0))) / 2) ** 2
    return max(MARGIN * requests_needed(slo.percentile, 1), surely) / LONGEST_PROBE


def check_dispersion(dispersion: float) -> None:
    """ValueError where no bursts are like that."""
    if not 1 <= dispersion <= MOST_DISPERSION:
        raise ValueError(f"--dispersion {dispersion:g} is not from 1 (Poisson) to {MOST_DISPERSION:g}")


@dataclass(frozen=True)
class Judgement:
    """What one probe says about its rate."""

    rate: float
    trial: int
    passed: bool
    stopped_early: bool          # it could no longer pass
    requests: int
    over: int                    # of them late, failed, timed out or dropped
    allowed: int                 # over, at most, for a probe of the planned size to pass
    late: int
    failed: int
    timeouts: int
    dropped: int
    percentile_us: float | None  # of successful requests, at the objective's percentile
    interval_us: tuple[float, float] | None
    good: int                    # right and within the limit
    goodput: float               # of them per second
    blame: str | None            # why the generator or the machine, not the server, may have decided this probe
    disturbed: str | None = None  # what else went on, where the probe failed by that alone

    @property
    def held(self) -> bool:
        """Whether it speaks for its rate: the objective was kept, and by the server."""
        return self.passed and self.blame is None


def planned(
    rate: float, trial: int, slo: Slo, effort: Effort, *, model: str, path: str, seed: int
) -> Plan:
    """The load of a trial at a rate."""
    seconds = round(effort.lasting(slo, rate), 3)
    seed = seed + SEEDS_APART * (trial + 1)
    kind: Literal["poisson", "gamma"] = "poisson" if effort.dispersion == 1 else "gamma"
    measured = len(arrivals(kind, rate, seconds, seed, effort.dispersion))
    return Plan(
        name=f"rate-{rate:g}-{trial + 1}", model=model, path=path, arrival=kind, rate=rate, seconds=seconds,
        dispersion=effort.dispersion,
        warmup=effort.warmup, warmup_most=LONGEST_WARMUP * effort.warmup, seed=seed,
        timeout=min(10.0, max(1.0, 20 * slo.limit_us / 1e6)),
        limit_us=slo.limit_us, most_over=max(0, most_over(slo.percentile, measured)),
        # A server that keeps the objective has at most rate x limit under way on average; only one that does not fills
        # twice as much, so what is dropped then has missed it anyway.
        pool=min(MOST_POOL, max(LEAST_POOL, math.ceil(2 * rate * slo.limit_us / 1e6))),
    )


def judge(load: Load, slo: Slo, trial: int = 0) -> Judgement:
    """Whether a load kept the objective, from its raw rows."""
    rows = load.rows.measured
    answered = rows.succeeded
    late = int(np.count_nonzero(answered.response_us > slo.limit_us))
    over = late + len(rows) - len(answered)
    good = int(np.count_nonzero((answered.response_us <= slo.limit_us) & (answered.predicted == answered.label)))
    stopped = bool(load.generator.get("stopped_early"))
    # A queue that still grows when the load begins would grow beyond any limit, had the load been longer.
    drifting = (finding := never_steady(load)) is not None and finding.invalid
    passed = not stopped and not drifting and len(rows) >= requests_needed(slo.percentile, over)
    allowed = load.plan.most_over if load.plan.most_over is not None else most_over(slo.percentile, len(rows))
    few = not (passed or stopped or drifting or over)  # so nothing but their number speaks against it
    # What would have missed it too, had every request been sent on time: failures, and what no lag of ours explains.
    excused = excused_us(load.rows)[~load.rows.warmup]
    surely = int(np.count_nonzero((rows.outcome != OK) | (rows.response_us > slo.limit_us + excused)))
    disturbed = None
    if not passed and not drifting and (seen := disturbance(load)) is not None:
        missed = (rows.outcome != OK) | (rows.response_us > slo.limit_us)
        spoilt = int(np.count_nonzero(missed & seen.struck(rows)))
        if spoilt and over - spoilt <= allowed:
            disturbed = f"{seen}; {spoilt} of {over} misses were then"
    return Judgement(
        rate=load.plan.rate or 0.0, trial=trial, passed=passed, stopped_early=stopped,
        requests=len(rows), over=over, allowed=allowed,
        late=late, failed=rows.count(FAILED), timeouts=rows.count(TIMEOUT), dropped=rows.count(DROPPED),
        percentile_us=float(np.percentile(answered.response_us, slo.percentile)) if len(answered) else None,
        interval_us=latency_interval(answered.response_us, slo.percentile) if len(answered) else None,
        good=good, goodput=round(good / _lasted(load), 2), disturbed=disturbed,
        blame=_blame(load, slo, passed=passed, surely=surely > allowed) or disturbed
        or (f"{len(rows)} requests are too few to prove anything" if few else None),
    )


def _lasted(load: Load) -> float:
    """Seconds in which the measured requests were to be sent."""
    rows = load.rows.measured
    if not load.generator.get("stopped_early") or not len(rows):
        return load.plan.seconds
    return max(0.001, float(rows.intended[-1]) / 1e6 - load.begins)


def counting(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those that say something: all but the first few at each rate that failed only while the machine was disturbed."""
    spoilt: Counter[float] = Counter()
    kept = []
    for found in judgements:
        if found.disturbed and spoilt[found.rate] < MOST_SPOILT:
            spoilt[found.rate] += 1
        else:
            kept.append(found)
    return kept


def _blame(load: Load, slo: Slo, *, passed: bool, surely: bool) -> str | None:
    """Latency counts from the intended start, so a late generator adds to it: it takes the blame for a failure, unless
    enough was late beyond what that explains. A pass is proof only as far as its schedule was sent: too few requests or
    a lost generator spoil either verdict.
    """
    checks: list[Finding | None] = [send_rate(load), lost_workers(load)]
    if not passed:
        checks += [generator_cpu(load)] if surely else [generator_cpu(load), _late(load, slo)]
    return next((finding.reason for finding in checks if finding), None)


def lag_allowed(slo: Slo) -> float:
    """Microseconds by which the generator may be late, at the percentile, before it takes the blame."""
    return max(float(MIN_LAG_US), MAX_LAG_SHARE * slo.limit_us)


def _late(load: Load, slo: Slo) -> Finding | None:
    rows = load.rows.measured
    rows = rows.where(rows.outcome == OK)
    allowed = lag_allowed(slo)
    lag = float(np.percentile(rows.lag_us, slo.percentile)) if len(rows) else 0.0
    if lag <= allowed:
        return None
    return Finding("send-lag", f"p{slo.percentile:g} of the send lag is {lag / 1000:.1f} ms, more than "
                               f"{allowed / 1000:.1f} ms", "close what else runs on this machine")


def as_json(judgement: Judgement) -> dict[str, Any]:
    """JSON-ready."""
    return dict(vars(judgement))
