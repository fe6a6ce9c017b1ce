"""Statistics of one load, derived from its raw rows; the measuring code knows nothing of this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.audit import audit, validity
from benchmarks.load.rows import DROPPED, FAILED, TIMEOUT, Rows
from benchmarks.load.stages import STAGES
from benchmarks.load.stored import Load
from benchmarks.stats.histogram import encoded, histogram, percentiles
from benchmarks.stats.intervals import latency_interval, rate_interval
from service.scoring import wilson


def summarise(load: Load) -> dict[str, Any]:
    """One load as JSON-ready figures. Latencies are microseconds of successful requests after the warm-up."""
    plan, rows = load.plan, load.rows.measured
    answered, (begin, end) = rows.succeeded, _window(load)
    return {
        "name": plan.name,
        "arrival": plan.arrival,
        "rate_requested": plan.rate,
        "rate_achieved": round(int(np.count_nonzero(rows.sent <= end * 1e6)) / (end - begin), 2),
        "utilisation": plan.utilisation,
        "connections": plan.connections if plan.arrival == "closed" else None,
        "seed": plan.seed,
        "seconds": round(end - begin, 3),
        "requests": len(rows),
        "ok": len(answered),
        "failed": rows.count(FAILED),
        "timeouts": rows.count(TIMEOUT),
        "dropped": rows.count(DROPPED),
        "warmup_excluded": len(load.rows) - len(rows),
        "warmup_seconds": round(load.begins, 3),
        "peak_in_flight": peak_in_flight(rows),
        "throughput": _throughput(answered, begin, end),
        "service_us": latency(answered.service_us),
        "response_us": latency(answered.response_us),
        "send_lag_us": percentiles(histogram(answered.lag_us), (50, 99)) if plan.arrival != "closed" else None,
        "stages_ms": _stages(answered),
        "accuracy": accuracy(answered),
        "goodput": goodput(load),
        "generator_cpu": round(float(np.mean(load.generator["cpu"])), 3) if load.generator["cpu"] else None,
        "server_cpu": load.server["cpu"],
        "server_rss_bytes": load.server["rss_bytes"],
        "engine": load.generator["engine"],
        "generators": load.generator.get("workers"),
        "validity": validity(audit(load)),
    }


def latency(microseconds: NDArray[np.int64]) -> dict[str, Any]:
    """Percentiles with 95 % intervals, the extremes, and the whole histogram as text."""
    if not len(microseconds):
        return {"n": 0}
    filled = histogram(microseconds)
    return {
        "n": len(microseconds),
        "min": int(microseconds.min()),
        **percentiles(filled),
        "max": int(microseconds.max()),
        "mean": round(float(microseconds.mean()), 1),
        "intervals": {f"p{q}": latency_interval(microseconds, q) for q in (50, 90, 99)},
        "hdr": encoded(filled),
    }


def peak_in_flight(rows: Rows) -> int:
    """The most requests that were sent and not yet answered at one moment."""
    sent = rows.where(rows.outcome != DROPPED)
    moments = np.concatenate([sent.done, sent.sent])  # at a tie the answer comes first
    change = np.concatenate([np.full(len(sent), -1), np.full(len(sent), 1)])
    running = np.cumsum(change[np.argsort(moments, kind="stable")])
    return int(running.max(initial=0))


def _window(load: Load) -> tuple[float, float]:
    """Seconds between which things were measured; a closed load may have gone on for its minimum of requests."""
    begin, end = load.begins, load.ends
    if load.plan.arrival == "closed" and len(load.rows):
        end = max(end, float(load.rows.sent.max()) / 1e6)
    return begin, end


def _throughput(answered: Rows, begin: float, end: float) -> dict[str, Any]:
    done = answered.done[answered.done <= end * 1e6]
    return {"per_second": round(len(done) / (end - begin), 2), "interval": rate_interval(done, begin, end)}


def accuracy(*answered: Rows) -> dict[str, Any]:
    """Share of right answers. The interval counts images, not answers: asking twice about one teaches nothing new."""
    right = np.concatenate([rows.predicted == rows.label for rows in answered])
    images = len(np.unique(np.concatenate([rows.image for rows in answered])))
    correct, n = int(np.count_nonzero(right)), len(right)
    interval = wilson(round(images * correct / n), images) if n else (0.0, 1.0)
    return {"correct": correct, "n": n, "images": images, "top1": correct / n if n else None, "interval": interval}


def goodput(load: Load) -> dict[str, Any] | None:
    """Right answers within the objective, per second and as a share of all requests; None where there is no objective.

    What came late, wrong or not at all is no good to whoever asked, and shares a denominator with what did.
    """
    limit, rows = load.plan.limit_us, load.rows.measured
    if limit is None or not len(rows):
        return None
    answered, (begin, end) = rows.succeeded, _window(load)
    good = int(np.count_nonzero((answered.predicted == answered.label) & (answered.response_us <= limit)))
    return {"good": good, "share": good / len(rows), "interval": wilson(good, len(rows)), "limit_us": limit,
            "per_second": round(good / (end - begin), 2)}


def _stages(answered: Rows) -> dict[str, float]:
    """Mean milliseconds per stage the server reported. Means, because only means add up to a whole."""
    means = {}
    for stage in STAGES:
        known = answered.stage_ms(stage)
        known = known[~np.isnan(known)]
        if len(known):
            means[stage] = round(float(known.mean()), 4)
    return means


def unloaded(load: Load) -> dict[str, Any] | None:
    """`{p50_us, p99_us, n}` of the service time, for a load of one request at a time; None where none was answered."""
    times = load.rows.measured.succeeded.service_us
    if not len(times):
        return None
    p50, p99 = np.percentile(times, (50, 99)).tolist()
    return {"p50_us": p50, "p99_us": p99, "n": len(times)}
