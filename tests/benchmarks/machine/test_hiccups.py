"""The doctor sees what a machine does by itself, and says what it does to a figure."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.machine import hiccups as watching
from benchmarks.machine.doctor import unpunctual
from benchmarks.machine.hiccups import EVERY_NS, Hiccups, hiccups


def seen(late_ms: float = 0.05, gaps_ms: tuple[float, ...] = ()) -> Hiccups:
    return Hiccups(np.full(1000, 1000 * late_ms), 1000 * np.array(gaps_ms), 1.0)


def test_a_punctual_core_has_nothing_that_is_off() -> None:
    assert unpunctual("core 0 (server)", seen(gaps_ms=(4.0, 4.0)), {"stolen": 0.0, "others": 0.1}) == []


def test_late_wake_ups_and_long_interruptions_are_off_and_say_what_that_does() -> None:
    late, held_up = unpunctual("core 0", seen(2.5, (200.0, 100.0)), {"stolen": 0.25, "others": 0.05})

    assert "2.5 ms late or more" in late
    assert "no p99 below that is the server's" in late
    assert "something else had 30% of the time (stolen by the hypervisor 25%, other processes 5%)" in held_up
    assert "other processes" not in unpunctual("core 0", seen(gaps_ms=(300.0,)), None)[0]


def test_a_neighbour_that_never_rests_holds_a_loop_up(neighbour: Callable[[], tuple[int, int]]) -> None:
    core, _ = neighbour()

    found = hiccups((core,), 1.0)

    assert found.interrupted > 0.1
    assert found.longest_us > 1000


def test_a_wake_up_that_sleeps_through_others_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]

    def sleep(seconds: float) -> None:
        before, now[0] = now[0], now[0] + int(seconds * 1e9)
        if before < 5 * EVERY_NS <= now[0]:
            now[0] += 25 * EVERY_NS // 2

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])

    late = watching._wake_ups(0.05)

    assert np.count_nonzero(late) == 1
    assert late.max() == pytest.approx(12_500)
    assert len(late) == 50 - 12


def test_rubbish_is_collected_again_afterwards() -> None:
    hiccups((), 0.02)

    assert gc.isenabled()
