"""Every axis for the few best: what for all models takes hours, and shows nothing about those that lost anyway.

After the first pass over the short matrix, the best configurations are tried with all threads and workers that there
are cores for, and with batching off, usual and waiting. They and the short matrix then share the later passes, so that
both meet the same moments of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from benchmarks.decision.configurations import Configuration
from benchmarks.decision.merits import known_accuracy
from benchmarks.decision.wish import USUAL, Wish, read_policy
from service.cpu import usable_cores

POLICIES = ("1", USUAL, "32:2")  # none are joined; the usual; batches that wait 2 ms


@dataclass(frozen=True)
class Axes:
    """What else than model, runtime and device makes a configuration."""

    threads: tuple[int, ...]
    workers: tuple[int, ...]
    batching: tuple[str, ...]


def cores_beside_the_generator() -> int:
    """Those that a server can have."""
    return max(1, (usable_cores() or 2) - 1)


def every_axis(beside: int | None = None) -> Axes:
    """All that is worth trying where `beside` cores are left beside the generator."""
    counts = tuple(sorted({1, beside or cores_beside_the_generator()}))
    return Axes(counts, counts, POLICIES)


def refined(one: Configuration, wish: Wish, beside: int) -> list[Configuration]:
    """What its model can be on its runtime and device, beyond what the wish tries of every model."""
    axes = every_axis(beside)
    found = []
    for threads, workers, policy in product(axes.threads, axes.workers, axes.batching):
        batch, wait = read_policy(policy)
        other = replace(one, threads=threads, workers=workers, max_batch=batch, max_wait_ms=wait)
        if other.cores <= beside and not in_matrix(other, wish):
            found.append(other)
    return found


def in_matrix(one: Configuration, wish: Wish) -> bool:
    """Whether its threads, workers and batch policy are tried of every model."""
    policy = (one.max_batch, one.max_wait_ms)
    return one.threads in wish.threads and one.workers in wish.workers and policy in map(read_policy, wish.batching)


def most_promising(entries: list[dict[str, Any]], wish: Wish) -> list[str]:
    """Ids of the `wish.refine` best that are accurate enough, ranked as by `verdict.decide`: one for each model,
    runtime and device. What is only too slow is among them, as another axis may make up for it."""
    found = dict[tuple[str, str, str], str]()
    for entry in sorted(entries, key=lambda each: each["rank"]):
        known = known_accuracy(entry)
        if entry["capacity"] and known and known["top1"] >= wish.min_accuracy:
            found.setdefault((entry["model"], entry["runtime"], entry["device"]), entry["id"])
    return list(found.values())[:wish.refine]
