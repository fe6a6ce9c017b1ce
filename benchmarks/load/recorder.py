"""Takes down what happened to each request while a load runs. Knows nothing of locust or HTTP clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT, UNKNOWN, Rows
from benchmarks.load.stages import STAGES, parse_server_timing

NO_STAGES = (float("nan"),) * len(STAGES)


@dataclass
class Answer:
    """How one request ended. `done` is set by the caller the moment the body is there, before any parsing."""

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
    ok: int = 0
    over: int = 0                                  # after the warm-up: late, failed, timed out or dropped
    problems: dict[str, int] = field(default_factory=dict)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, *, intended: int, sent: int, warmup: bool, position: int, answer: Answer) -> None:
        """One finished request; all times in microseconds from the start of the load."""
        self.ok += answer.outcome == OK
        late = self.limit_us is not None and answer.done - intended > self.limit_us
        self.over += not warmup and (late or answer.outcome != OK)
        if answer.problem:
            self.problems[answer.problem] = self.problems.get(answer.problem, 0) + 1
        self._rows.append((intended, sent, answer.done, warmup, answer.outcome, answer.status, position,
                           answer.predicted, answer.stages))

    def drop(self, *, intended: int, now: int, warmup: bool, position: int) -> None:
        """A request that could not be sent because the pool was full: counted, never silently delayed."""
        self.add(intended=intended, sent=now, warmup=warmup, position=position,
                 answer=Answer(done=now, outcome=DROPPED, problem="dropped: too many requests in flight"))

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Rows:
        """Everything so far, in the order of the intended starts."""
        columns = list(zip(*sorted(self._rows, key=lambda row: row[0]), strict=True)) or [()] * 9
        positions = np.array(columns[6], dtype=np.int64)
        return Rows(
            intended=np.array(columns[0], dtype=np.int64),
            sent=np.array(columns[1], dtype=np.int64),
            done=np.array(columns[2], dtype=np.int64),
            warmup=np.array(columns[3], dtype=np.bool_),
            outcome=np.array(columns[4], dtype=np.uint8),
            status=np.array(columns[5], dtype=np.int16),
            image=self.images[positions].astype(np.int32),
            label=self.labels[positions].astype(np.int16),
            predicted=np.array(columns[7], dtype=np.int16),
            stages=np.array(columns[8], dtype=np.float32).reshape(-1, len(STAGES)),
        )


def read_answer(done: int, status: int, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
    """What a server's reply says. A 200 without a readable prediction is a failure, not a fast success."""
    if status != 200:
        return Answer(done, FAILED, status, problem=f"HTTP {status}")
    try:
        predicted = int(json.loads(body or b"")["predictions"][0]["index"])
    except (ValueError, TypeError, KeyError, IndexError):
        return Answer(done, FAILED, status, problem="HTTP 200 without a prediction")
    said = parse_server_timing((headers or {}).get("server-timing") or "")
    return Answer(done, OK, status, predicted, tuple(said.get(stage, float("nan")) for stage in STAGES))


def no_answer(done: int, error: BaseException | None) -> Answer:
    """What to write down when no reply arrived."""
    cause = getattr(error, "original", None) or error  # geventhttpclient wraps what happened in "retries exceeded"
    late = isinstance(cause, TimeoutError)
    return Answer(done, TIMEOUT if late else FAILED, problem="timeout" if late else f"no answer: {cause!r:.120}")
