"""Where the time of one request went, in stages that add up to the total by construction.

    read     waiting for the body to arrive
    parse    taking the body apart: JSON, multipart, base64 stays for decode
    decode   from files or lists to the pixels a model takes
    queue    waiting for a thread, and for the event loop afterwards
    infer    in the runtime
    encode   from probabilities to the bytes of the answer

Where requests may have shared a call, `batch` says how many images it had.
"""

from __future__ import annotations

import time

STAGES = ("read", "parse", "decode", "queue", "infer", "encode")


class Stopwatch:
    """Each `mark` gives the time since the one before to a stage, so no time is lost and none counts twice."""

    __slots__ = ("_last", "batch", "ns", "started")

    def __init__(self) -> None:
        self.batch = 0  # images in the call of the runtime, where the request waited for one
        self.started = self._last = time.perf_counter_ns()
        self.ns = dict.fromkeys(STAGES, 0)

    def mark(self, stage: str, at_ns: int | None = None) -> None:
        """End a stage now, or at an earlier reading of perf_counter_ns taken in a thread."""
        now = time.perf_counter_ns() if at_ns is None else at_ns
        self.ns[stage] += now - self._last
        self._last = now

    def header(self) -> str:
        """The Server-Timing value: milliseconds with microsecond digits; `total` is the sum of the printed parts."""
        us = [(ns + 500) // 1000 for ns in self.ns.values()]
        text = LINE % (*[each / 1000 for each in us], sum(us) / 1000)
        return f'{text}, batch;desc="{self.batch}"' if self.batch else text


LINE = ", ".join(f"{stage};dur=%.3f" for stage in (*STAGES, "total"))
