"""The raw rows of one load: what happened to every single request, in columns. Nothing here is a statistic.

Times are integer microseconds from the start of the load on the generator's monotonic clock:

    intended   when the schedule wanted the request sent (closed loop: the same as `sent`)
    sent       when the generator really began to send it
    done       when the whole answer had arrived, or when waiting ended

Service time is `done - sent`; response time, what a user sees, is `done - intended`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.stages import STAGES

# Outcomes of a request, as stored.
OK, FAILED, TIMEOUT, DROPPED = range(4)
OUTCOMES = ("ok", "failed", "timeout", "dropped")
UNKNOWN = -1  # a label or a predicted class that is not there


@dataclass(frozen=True)
class Rows:
    """One row per scheduled request, in the order of the schedule."""

    intended: NDArray[np.int64]
    sent: NDArray[np.int64]
    done: NDArray[np.int64]
    warmup: NDArray[np.bool_]        # sent only to warm the server; never in a statistic
    outcome: NDArray[np.uint8]       # OK, FAILED, TIMEOUT or DROPPED
    status: NDArray[np.int16]        # HTTP status, 0 where none arrived
    image: NDArray[np.int32]         # index into the split
    label: NDArray[np.int16]         # true class
    predicted: NDArray[np.int16]     # answered class, UNKNOWN where none
    stages: NDArray[np.float32]      # (requests, len(STAGES)) milliseconds, NaN where the server did not say

    def __len__(self) -> int:
        return len(self.intended)

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        """The rows that `mask` selects, or those at the positions it lists."""
        return Rows(*(getattr(self, field.name)[mask] for field in fields(self)))

    @property
    def measured(self) -> Rows:
        """Without warm-up."""
        return self.where(~self.warmup)

    @property
    def succeeded(self) -> Rows:
        """Answered with a prediction; the only rows whose latency means anything."""
        return self.where(self.outcome == OK)

    @property
    def service_us(self) -> NDArray[np.int64]:
        """Microseconds from sending to the answer: what the server did."""
        return self.done - self.sent

    @property
    def response_us(self) -> NDArray[np.int64]:
        """Microseconds from the intended start to the answer: what a user waits."""
        return self.done - self.intended

    @property
    def lag_us(self) -> NDArray[np.int64]:
        """Microseconds by which the generator was late."""
        return self.sent - self.intended

    def stage_ms(self, name: str) -> NDArray[np.float32]:
        """Milliseconds the server says it spent in one stage."""
        column: NDArray[np.float32] = self.stages[:, STAGES.index(name)]
        return column

    def count(self, outcome: int) -> int:
        """How many requests ended so."""
        return int(np.count_nonzero(self.outcome == outcome))


def write_rows(path: Path, rows: Rows) -> None:
    """Store every column in one compressed .npz."""
    np.savez_compressed(path, **{field.name: getattr(rows, field.name) for field in fields(Rows)})


def read_rows(path: Path) -> Rows:
    """Read what `write_rows` stored, also before a stage was known."""
    with np.load(path, allow_pickle=False) as stored:
        columns = {field.name: stored[field.name] for field in fields(Rows)}
    unknown = ((0, 0), (0, len(STAGES) - columns["stages"].shape[1]))
    return Rows(**columns | {"stages": np.pad(columns["stages"], unknown, constant_values=np.nan)})
