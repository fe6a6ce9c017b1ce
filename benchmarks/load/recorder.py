"""Takes down what happened to each request while a load runs. Knows nothing of locust, sockets or schedules.

A reply is only kept when it arrives, and read in a moment when nothing is due: reading takes as long as sending.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.protocols import weighbridge
from benchmarks.load.protocols.readers import Reader
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT, UNKNOWN, Rows
from benchmarks.load.stages import STAGES, parse_server_timing
from benchmarks.load.wire import Reply
from benchmarks.load.wire import field as field_of

MOST_CLASSES = 2**15 - 1  # as rows store them
NO_STAGES = (float("nan"),) * len(STAGES)


@dataclass
class Answer:
    """How one request ended. `done` is set by the caller the moment the body is there, before any reading."""

    done: int                                      # microseconds
    outcome: int
    status: int = 0
    predicted: int = UNKNOWN
    stages: tuple[float, ...] = NO_STAGES
    problem: str = ""                              # for people; empty when all is well


@dataclass
class Recorder:
    """Grows one row per request and hands over arrays at the end."""

    labels: NDArray[np.int16]                      # true class per image position
    images: NDArray[np.int32]                      # index in the split per image position
    limit_us: int | None = None                    # of the response time, where there is one
    begins: float = 0.0                            # microseconds; what was intended earlier is warm-up
    read: Reader = weighbridge.read                # finds the class in a reply
    ok: int = 0
    over: int = 0                                  # after the warm-up: late, failed, timed out or dropped
    problems: dict[str, int] = field(default_factory=dict)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _unread: deque[tuple[int, int, int, int, Reply]] = field(default_factory=deque)

    def keep(self, *, intended: int, sent: int, done: int, position: int, reply: Reply) -> None:
        """One reply, to be read later; all times in microseconds from the start of the load."""
        good = reply.status == 200
        self.ok += good
        self._count(intended, done, good)
        self._unread.append((intended, sent, done, position, reply))

    def add(self, *, intended: int, sent: int, position: int, answer: Answer) -> None:
        """One finished request; all times in microseconds from the start of the load."""
        self.ok += answer.outcome == OK
        self._count(intended, answer.done, answer.outcome == OK)
        self._append(intended, sent, position, answer, 0)

    def drop(self, *, intended: int, now: int, position: int) -> None:
        """A request that could not be sent because the pool was full: counted, never silently delayed."""
        self.add(intended=intended, sent=now, position=position,
                 answer=Answer(done=now, outcome=DROPPED, problem="dropped: too many requests in flight"))

    def read_one(self) -> bool:
        """Read one kept reply; False where none is left."""
        if not self._unread:
            return False
        intended, sent, done, position, reply = self._unread.popleft()
        answer = read_answer(done, reply, self.read)
        if reply.status == 200 and answer.outcome != OK:  # it looked like a success when it came
            self.ok -= 1
            self.over += self._measured(intended) and not self._late(intended, done)
        self._append(intended, sent, position, answer, len(reply.body))
        return True

    def __len__(self) -> int:
        return len(self._rows) + len(self._unread)

    @property
    def unread(self) -> int:
        """How many replies are kept and not read yet."""
        return len(self._unread)

    def since(self, count: int) -> list[tuple[int, int, int, int]]:
        """(intended, response time, bytes, outcome) of the rows after the first `count`, as they came; microseconds."""
        return [(row[0], row[2] - row[0], row[8], row[3]) for row in self._rows[count:]]

    def rows(self) -> Rows:
        """Everything so far, in the order of the intended starts."""
        while self.read_one():
            pass
        columns = list(zip(*sorted(self._rows, key=lambda row: row[0]), strict=True)) or [()] * 9
        positions = np.array(columns[5], dtype=np.int64)
        intended = np.array(columns[0], dtype=np.int64)
        return Rows(
            intended=intended,
            sent=np.array(columns[1], dtype=np.int64),
            done=np.array(columns[2], dtype=np.int64),
            warmup=intended < self.begins,
            outcome=np.array(columns[3], dtype=np.uint8),
            status=np.array(columns[4], dtype=np.int16),
            image=self.images[positions].astype(np.int32),
            label=self.labels[positions].astype(np.int16),
            predicted=np.array(columns[6], dtype=np.int16),
            stages=np.array(columns[7], dtype=np.float32).reshape(-1, len(STAGES)),
        )

    def _count(self, intended: int, done: int, good: bool) -> None:
        self.over += self._measured(intended) and (not good or self._late(intended, done))

    def _measured(self, intended: int) -> bool:
        return intended >= self.begins

    def _late(self, intended: int, done: int) -> bool:
        return self.limit_us is not None and done - intended > self.limit_us

    def _append(self, intended: int, sent: int, position: int, answer: Answer, size: int) -> None:
        if answer.problem:
            self.problems[answer.problem] = self.problems.get(answer.problem, 0) + 1
        self._rows.append((intended, sent, answer.done, answer.outcome, answer.status, position, answer.predicted,
                           answer.stages, size))


def read_answer(done: int, reply: Reply, read: Reader = weighbridge.read) -> Answer:
    """What a server's reply says. A 200 without a readable prediction is a failure, not a fast success."""
    if reply.status != 200:
        return Answer(done, FAILED, reply.status, problem=f"HTTP {reply.status}")
    try:
        predicted = read(reply)
        if not 0 <= predicted <= MOST_CLASSES:
            raise ValueError
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
        return Answer(done, FAILED, reply.status, problem="HTTP 200 without a prediction")
    said = parse_server_timing(field_of(reply.head, "server-timing"))
    return Answer(done, OK, reply.status, predicted, tuple(said.get(stage, float("nan")) for stage in STAGES))


def no_answer(done: int, error: BaseException) -> Answer:
    """What to write down when no reply arrived."""
    late = isinstance(error, TimeoutError)
    return Answer(done, TIMEOUT if late else FAILED, problem="timeout" if late else f"no answer: {error!r:.120}")
