"""What a late generator may be blamed for, against queues that are computed with and without its lateness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.load.excuse import excused_us
from benchmarks.load.rows import DROPPED, OK, Rows
from benchmarks.load.stages import STAGES
from benchmarks.load.stored import Load

REQUEST = st.tuples(st.integers(0, 300), st.integers(1, 200), st.integers(0, 500))  # gap, service, lag: microseconds


def queue(arrivals: NDArray[np.int64], service: NDArray[np.int64]) -> NDArray[np.int64]:
    """When one server that takes requests in their order has answered each."""
    done, free = np.zeros_like(arrivals), 0
    for place, (arrival, work) in enumerate(zip(arrivals, service, strict=True)):
        done[place] = free = max(free, int(arrival)) + int(work)
    return done


def rows(intended: NDArray[np.int64], sent: NDArray[np.int64], done: NDArray[np.int64]) -> Rows:
    count = len(intended)
    return Rows(intended=intended, sent=sent, done=done, warmup=np.zeros(count, bool),
                outcome=np.full(count, OK, np.uint8), status=np.full(count, 200, np.int16),
                image=np.zeros(count, np.int32), label=np.zeros(count, np.int16), predicted=np.zeros(count, np.int16),
                stages=np.zeros((count, len(STAGES)), np.float32))


@given(st.lists(REQUEST, min_size=1, max_size=60))
def test_no_answer_would_have_come_earlier_than_its_excuse_allows(requests: list[tuple[int, int, int]]) -> None:
    gaps, service, lags = (np.array(column, np.int64) for column in zip(*requests, strict=True))
    intended = np.cumsum(gaps)
    sent = np.maximum.accumulate(intended + lags)
    punctual, late = queue(intended, service), queue(sent, service)

    excused = excused_us(rows(intended, sent, late))

    assert np.all(punctual <= late)
    assert np.all(late - excused <= punctual)


def test_a_generator_that_was_on_time_excuses_nothing(made: Callable[..., Load]) -> None:
    assert not excused_us(made().rows).any()


def test_a_hiccup_excuses_its_own_queue_and_the_answers_read_during_it(made: Callable[..., Load]) -> None:
    times = np.arange(1000) * 10_000
    sent = times.copy()
    sent[500] += 7000

    excused = excused_us(made(sent=sent, done=sent + 2000).rows)

    assert excused[499] == excused[500] == 7000
    assert not excused[:499].any()
    assert not excused[501:].any()


def test_what_was_never_sent_excuses_nothing_and_nobody(made: Callable[..., Load]) -> None:
    times = np.arange(1000) * 10_000
    outcome = np.full(1000, DROPPED, np.uint8)

    assert not excused_us(made(sent=times + 9000, done=times + 9000, outcome=outcome).rows).any()
    outcome[0] = OK
    assert np.flatnonzero(excused_us(made(sent=times + 9000, done=times + 9100, outcome=outcome).rows)).tolist() == [0]
