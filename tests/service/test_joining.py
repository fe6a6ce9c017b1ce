"""Joining requests is tried against not joining them, and stops where it costs more than it saves."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from service.joining import AGAIN, PAIRS, WINDOW, WINDOW_NS, Joining

MS = 1_000_000


class Worker:
    """Answers requests one after the other; `cost` gives the processor time of one in ns, joined or not."""

    def __init__(self, cost: Callable[[bool], int], idle: int = 0) -> None:
        self.cost, self.idle = cost, idle
        self.time = self.cpu = 0
        self.joining = Joining(lambda: self.time, lambda: self.cpu)

    def answer(self, requests: int = WINDOW) -> None:
        for _ in range(requests):
            spent = self.cost(self.joining.now)
            self.cpu += spent
            self.time += spent + self.idle
            self.joining.served(1)

    def windows(self, count: int) -> list[bool]:
        """Whether each of so many windows joined requests."""
        found = []
        for _ in range(count):
            found.append(self.joining.now)
            self.answer()
        return found


def test_nobody_waits_before_joining_was_tried() -> None:
    assert not Joining().now


@pytest.mark.parametrize(("joined", "apart", "joins"), [
    (MS, 2 * MS, True), (2 * MS, MS, False), (MS, MS, False),
    (98, 100, False),  # a tie, as far as such measurements go
    (96, 100, True),
])
def test_the_cheaper_of_both_is_kept_and_the_other_tried_again_now_and_then(
    joined: int, apart: int, joins: bool
) -> None:
    worker = Worker(lambda together: joined if together else apart)

    tried = worker.windows(PAIRS + 1)
    kept = worker.windows(4 * AGAIN)

    assert tried == [False, True] * (PAIRS // 2) + [False]
    assert kept.count(not joins) == 4


def test_a_drift_of_all_costs_is_not_taken_for_a_difference() -> None:
    worker = Worker(lambda together: int(MS * 1.0001 ** (worker.time / MS)))  # doubles within seven seconds

    worker.windows(PAIRS + 1)

    assert worker.windows(2 * AGAIN).count(True) == 2


def test_noise_that_is_larger_than_the_difference_does_not_hide_it() -> None:
    noise = random.Random(5)
    worker = Worker(lambda together: 0)
    found = []
    for _ in range(20 * PAIRS):
        each = noise.gauss(1.0, 0.1) * (1.0 if worker.joining.now else 1.1)
        worker.cost = lambda together, each=each: int(each * MS)  # type: ignore[misc]
        found += worker.windows(1)

    assert found[2 * PAIRS:].count(False) < len(found[2 * PAIRS:]) / 10


def test_a_change_of_the_costs_is_noticed() -> None:
    worker = Worker(lambda together: MS if together else 2 * MS)
    worker.windows(PAIRS + 2)
    assert worker.joining.now

    worker.cost = lambda together: 2 * MS if together else MS
    worker.windows(AGAIN * PAIRS)

    assert worker.windows(AGAIN).count(True) <= 1


def test_one_disturbed_window_changes_nothing() -> None:
    worker = Worker(lambda together: MS if together else 2 * MS)
    worker.windows(PAIRS + 2)

    worker.cost = lambda together: 100 * MS
    worker.windows(1)
    worker.cost = lambda together: MS if together else 2 * MS

    assert worker.windows(AGAIN).count(True) >= AGAIN - 1


def test_windows_that_were_mostly_idle_teach_nothing() -> None:
    worker = Worker(lambda together: MS if together else 2 * MS, idle=WINDOW_NS // WINDOW)

    assert not any(worker.windows(2 * PAIRS))


def test_a_window_with_foreign_work_is_forgotten() -> None:
    worker = Worker(lambda together: MS)

    for _ in range(2 * PAIRS):
        worker.answer(WINDOW - 1)
        worker.joining.restart()

    assert not worker.joining.now
    worker.answer(WINDOW + 1)  # the first of them ends what is forgotten
    assert worker.joining.now  # this one counted, and the other kind has its turn


@pytest.mark.parametrize(("joined", "apart"), [(MS, 2 * MS), (2 * MS, MS)])
def test_a_trial_that_ends_half_way_leaves_the_cheaper_of_both(joined: int, apart: int) -> None:
    worker = Worker(lambda together: joined if together else apart)
    worker.windows(PAIRS + 1)
    while worker.joining.now == (joined < apart):  # until the other kind has its turn again
        worker.answer()

    worker.answer(WINDOW // 2)
    worker.joining.restart()

    assert worker.joining.now == (joined < apart)
