"""Whether a load may be believed. A number from an overwhelmed generator or server is worse than no number.

Every check is one small function that answers with a Finding or None; CHECKS is the whole list. An invalid result is
still shown, with the reason and what to do about it, and never ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.disturbance import disturbance
from benchmarks.load.rows import DROPPED, FAILED, TIMEOUT
from benchmarks.load.stored import Load
from benchmarks.machine.fingerprint import warnings

MAX_CPU = 0.85            # of one core, mean; above it the generator queues its own work
MIN_SENT_SHARE = 0.98     # of the schedule, really sent within its time
MIN_ANSWERED_SHARE = 0.95  # of the offered rate, answered within the time; below it a queue is growing
MAX_LAG_SHARE = 0.05      # of the response-time p99
MIN_LAG_US = 1000         # a late start below this never invalidates
MAX_FAILED_SHARE = 0.01
DELAYED_ACK_US = (38_000, 48_000)  # where Linux lets an acknowledgement wait for company
DELAYED_SHARE = 0.05      # of the answers in that window, from which on it is no chance
ENOUGH_FOR_P99 = 662      # requests; fewer cannot bound a p99 with 99 % confidence


@dataclass(frozen=True)
class Finding:
    """Something to know about a load. `invalid`: its numbers must not be used."""

    code: str
    reason: str
    advice: str
    invalid: bool = True


def audit(load: Load) -> list[Finding]:
    """Everything that CHECKS find in one load."""
    return [finding for check in CHECKS if (finding := check(load))]


def about_the_machine(machine: dict[str, Any]) -> list[Finding]:
    """What is off about the place where something was measured, and about its code."""
    quiet = [Finding("machine", warning, "measure on a quiet machine of your own", invalid=False)
             for warning in warnings(machine)]
    return quiet + about_the_commits(machine)


def about_the_commits(machine: dict[str, Any]) -> list[Finding]:
    """Whether a run that was interrupted went on with other code."""
    then = [commit or "unknown" for commit in machine.get("then", [])]
    if not then:
        return []
    return [Finding("commit", f"begun on commit {machine['commit'] or 'unknown'} and continued on {', '.join(then)}: "
                    "what the code became since is in the figures", "measure in one go, in another --output",
                    invalid=False)]


def validity(findings: Iterable[Finding]) -> dict[str, Any]:
    """`{"valid", "reasons", "advice", "notes"}`; reasons have a machine-readable code, notes do not invalidate."""
    findings = list(findings)
    return {
        "valid": not any(finding.invalid for finding in findings),
        "reasons": [{"code": f.code, "reason": f.reason} for f in findings if f.invalid],
        "notes": [{"code": f.code, "reason": f.reason} for f in findings if not f.invalid],
        "advice": list(dict.fromkeys(finding.advice for finding in findings)),
    }


def nothing_succeeded(load: Load) -> Finding | None:
    """No answer at all."""
    if len(load.rows.measured.succeeded):
        return None
    problems = ", ".join(f"{count} x {problem}" for problem, count in load.generator["problems"].items())
    return Finding("nothing-succeeded", f"no request succeeded ({problems or 'none was sent'})",
                   "read the server's log in the run folder")


def generator_cpu(load: Load) -> Finding | None:
    """The sending process had no time left."""
    cpu = load.generator["cpu"]
    if not cpu or np.mean(cpu) <= MAX_CPU:
        return None
    return Finding("generator-cpu", f"the generator used {np.mean(cpu):.0%} of its core, more than {MAX_CPU:.0%}",
                   "give the generator a core of its own, or send from another machine")


def send_rate(load: Load) -> Finding | None:
    """Requests that should have been sent in the measured time went out after its end, or are not in the schedule.

    What was dropped because too much was under way already is the server's doing: see `dropped`.
    """
    if load.plan.arrival == "closed" or load.generator.get("stopped_early"):
        return None
    rows, ends = load.rows.measured, load.ends * 1e6
    expected = (load.plan.rate or 0) * load.plan.seconds
    sent = np.count_nonzero(rows.sent <= ends)
    # A Poisson count strays by its square root, so the schedule itself is what was really asked for; bursts stray more.
    asked = len(rows)
    if asked and sent >= MIN_SENT_SHARE * asked and asked >= expected - 5 * np.sqrt(load.plan.dispersion * expected):
        return None
    return Finding("rate-not-reached", f"{sent} of {max(asked, round(expected))} scheduled requests were sent in time",
                   "lower the rate, or send from several processes")


def send_lag(load: Load) -> Finding | None:
    """Requests started noticeably later than planned."""
    rows = load.rows.measured.succeeded
    if load.plan.arrival == "closed" or not len(rows):
        return None
    lag, response = np.percentile(rows.lag_us, 99), np.percentile(rows.response_us, 99)
    allowed = max(MIN_LAG_US, MAX_LAG_SHARE * response)
    if lag <= allowed:
        return None
    return Finding("send-lag", f"p99 of the send lag is {lag / 1000:.1f} ms, more than {allowed / 1000:.1f} ms",
                   "close what else runs on this machine, or lower the rate")


def dropped(load: Load) -> Finding | None:
    """The limit on requests in flight was reached."""
    count = load.rows.measured.count(DROPPED)
    if not count:
        return None
    return Finding("dropped", f"{count} requests were dropped because {load.plan.pool} were already in flight",
                   "lower the rate: the server is far behind")


def saturated(load: Load) -> Finding | None:
    """The server answers slower than it is asked; every percentile then only says how long the load lasted."""
    rows, ends = load.rows.measured, load.ends * 1e6
    if load.plan.arrival == "closed" or not len(rows.succeeded):
        return None
    answered = np.count_nonzero(rows.done <= ends)
    # Those asked just before the end may rightly be answered after it, by as much as an answer takes without a queue:
    # in a queue that grows, the first tenth knows that best.
    first = rows.succeeded.service_us[:max(1, len(rows.succeeded) // 10)]
    late_but_fine = np.percentile(first, 50) * (load.plan.rate or 0) / 1e6
    if answered + late_but_fine >= MIN_ANSWERED_SHARE * len(rows):
        return None
    return Finding("saturated", f"only {answered} of {len(rows)} requests were answered within the load's time",
                   "lower the rate below the server's capacity")


def failures(load: Load) -> Finding | None:
    """Failures do not enter percentiles, so many of them would flatter the rest."""
    rows = load.rows.measured
    failed = rows.count(FAILED) + rows.count(TIMEOUT)
    if not failed:
        return None
    problems = ", ".join(f"{count} x {problem}" for problem, count in load.generator["problems"].items())
    return Finding("failures", f"{failed} of {len(rows)} requests failed ({problems})",
                   "read the server's log in the run folder", invalid=failed > MAX_FAILED_SHARE * len(rows))


def delayed_ack(load: Load) -> Finding | None:
    """Answers pile up near 40 ms and not around it: Nagle's algorithm waits for a delayed acknowledgement."""
    service = load.rows.measured.succeeded.service_us
    if not len(service):
        return None
    low, high = DELAYED_ACK_US
    width = high - low
    inside = np.count_nonzero((service >= low) & (service < high))
    beside = np.count_nonzero((service >= low - width) & (service < high + width)) - inside
    if inside < DELAYED_SHARE * len(service) or inside < 4 * beside:
        return None
    return Finding("delayed-ack", f"{inside / len(service):.0%} of the answers took {low / 1000:.0f} to "
                                  f"{high / 1000:.0f} ms, and hardly any a little less or more: that is how long TCP "
                                  "waits with an acknowledgement, not how long the server worked",
                   "set TCP_NODELAY in the server, or write header and body at once", invalid=False)


def few_requests(load: Load) -> Finding | None:
    """Too few for the tail."""
    count = len(load.rows.measured.succeeded)
    if count >= ENOUGH_FOR_P99 or not count:
        return None
    return Finding("few-requests", f"{count} requests are too few to prove a p99 that one misses; "
                   f"{ENOUGH_FOR_P99} are the minimum", "raise --seconds for figures to publish", invalid=False)


def never_steady(load: Load) -> Finding | None:
    """The warm-up lasted as long as it may, and the answers were still getting faster or slower."""
    warmup = load.generator.get("warmup")
    if load.plan.warmup_most is None or not warmup or warmup["steady"] or "workers" in load.generator:
        return None  # several generators warm up for as long as asked, and no longer
    if warmup["steady"] is None:
        return Finding("warm-up-unknown", f"too few answers in {warmup['seconds']:.1f} s to tell whether the server "
                       "was warm", "raise the rate or the warm-up", invalid=False)
    first, last = warmup["windows_us"][0] / 1000, warmup["windows_us"][-1] / 1000
    return Finding("never-steady", f"after {warmup['seconds']:.1f} s of warm-up the response time was still moving, "
                   f"from {first:.2f} to {last:.2f} ms", "lower the rate, or find out what the server is doing")


def lost_workers(load: Load) -> Finding | None:
    """A generator of several went away, and its share of the requests with it."""
    lost = load.generator.get("workers_lost")
    if not lost:
        return None
    return Finding("workers-lost", f"{lost} of {lost + len(load.generator['workers'])} generators went away with their "
                   "rows", "read the log of that worker, and send the load again")


def disturbed(load: Load) -> Finding | None:
    """Something else had the cores on which this was measured, for a while."""
    seen = disturbance(load)
    if seen is None or not seen.disturbed:
        return None
    return Finding("disturbed", str(seen), "close what else runs on this machine, or measure on one of your own: what "
                   "was measured meanwhile is slower than the server", invalid=False)


def unstable_answers(load: Load) -> Finding | None:
    """One image, several answers: what comes back depends on who else was asking."""
    answered = load.rows.succeeded
    pairs = np.unique(np.stack([answered.image, answered.predicted], axis=1), axis=0)
    unstable = several(pairs[:, 0])
    if not unstable:
        return None
    images = "1 image was" if unstable == 1 else f"{unstable} images were"
    return Finding("unstable-answers", f"{images} answered in more than one way within one load",
                   "ask for them one at a time: where the answer depends on the batch, the batch mixes something up",
                   invalid=False)


def several(images: NDArray[np.integer[Any]]) -> int:
    """How many different images stand there more than once."""
    return int(np.count_nonzero(np.unique(images, return_counts=True)[1] > 1))


CHECKS: tuple[Callable[[Load], Finding | None], ...] = (
    nothing_succeeded, generator_cpu, send_rate, send_lag, dropped, saturated, failures, delayed_ack,
    few_requests, never_steady, lost_workers, disturbed, unstable_answers,
)
