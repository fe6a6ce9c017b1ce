"""Joining requests is tried against not joining them, and stops where it costs more than it saves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.joining import AGAIN, KEPT, LEAST, WINDOW, WINDOW_NS, Joining

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


def test_requests_join_at_first() -> None:
    assert Joining().now


@pytest.mark.parametrize(("joined", "apart", "joins"), [
    (MS, 2 * MS, True), (2 * MS, MS, False), (MS, MS, True),
    (100, 98, True),   # a tie, as far as such measurements go
    (100, 96, False),
])
def test_the_cheaper_of_both_is_kept_and_the_other_tried_again_now_and_then(
    joined: int, apart: int, joins: bool
) -> None:
    worker = Worker(lambda together: joined if together else apart)

    tried = worker.windows(2 * LEAST)
    kept = worker.windows(4 * AGAIN)

    assert tried.count(True) == tried.count(False) == LEAST
    assert kept.count(not joins) == 4


def test_a_change_of_the_costs_is_noticed() -> None:
    worker = Worker(lambda together: MS if together else 2 * MS)
    worker.windows(2 * AGAIN + 1)
    assert worker.joining.now

    worker.cost = lambda together: 2 * MS if together else MS
    worker.windows(AGAIN * KEPT)

    assert worker.windows(AGAIN).count(True) <= 1


def test_one_disturbed_window_changes_nothing() -> None:
    worker = Worker(lambda together: MS if together else 2 * MS)
    worker.windows(2 * LEAST + KEPT)

    worker.cost = lambda together: 100 * MS
    worker.windows(1)
    worker.cost = lambda together: MS if together else 2 * MS

    assert worker.windows(AGAIN).count(True) >= AGAIN - 1


def test_windows_that_were_mostly_idle_teach_nothing() -> None:
    worker = Worker(lambda together: 2 * MS if together else MS, idle=WINDOW_NS // WINDOW)

    assert worker.windows(4 * LEAST) == [True] * 4 * LEAST


def test_a_window_with_foreign_work_is_forgotten() -> None:
    worker = Worker(lambda together: MS)

    for _ in range(4 * LEAST):
        worker.answer(WINDOW - 1)
        worker.joining.restart()

    assert worker.joining.now
    worker.answer(WINDOW)
    assert not worker.joining.now  # this one counted, and the other kind has its turn
