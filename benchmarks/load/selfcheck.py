"""The generator watches itself: a load from a generator that ran out of breath measures the generator.

Runs as a greenlet beside the thread that sends, and samples this process every half second once the warm-up is over,
and a last time when sending ends: what spoils a load that is given up lies just before its end.
"""

from __future__ import annotations

import math
import os
import platform
import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import gevent  # type: ignore[import-untyped]

from benchmarks.load.clock import Clock
from benchmarks.load.recorder import Recorder

EVERY = 0.5  # seconds between samples; locust's own check averages over 10 s and never fires in a short run
ENGINE = f"locust {version('locust')}, raw sockets"


class SelfCheck:
    """CPU share of this process (1.0 is one core), sampled from the end of the warm-up until sending ends.

    `say` is told every half second, and at the end, how far the load is: seconds, how many requests have ended, well or
    not, and whether it is only warming the server, which counts for nothing.
    """

    def __init__(self, clock: Clock, recorder: Recorder, *, say: Callable[[dict[str, float]], None]) -> None:
        self._clock, self._recorder, self._say = clock, recorder, say
        self._cpu: list[float] = []
        self._watcher = gevent.spawn(self._watch)

    def sending_ended(self) -> None:
        """Stop sampling, and tell a last time: afterwards rows are sorted and stored, which is no sending."""
        self._watcher.kill()
        self._tell()

    def account(self) -> dict[str, Any]:
        """This process during this load."""
        return {
            "engine": ENGINE,
            "python": platform.python_version(),
            "machine": socket.gethostname(),
            "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "cpu": [round(share, 3) for share in self._cpu],
            "problems": self._recorder.problems,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def _watch(self) -> None:
        told = -math.inf
        while self._warming:
            if time.perf_counter() - told >= EVERY:
                self._tell()
                told = time.perf_counter()
            gevent.sleep(0.02)
        cpu, wall = time.process_time(), time.perf_counter()
        self._tell()
        while True:
            gevent.sleep(EVERY)
            now_cpu, now_wall = time.process_time(), time.perf_counter()
            self._cpu.append((now_cpu - cpu) / (now_wall - wall))
            cpu, wall = now_cpu, now_wall
            self._tell()

    @property
    def _warming(self) -> bool:
        return math.isinf(self._recorder.begins)

    def _tell(self) -> None:
        self._say({"seconds": self._clock.now() / 1e6, "answered": len(self._recorder), "ok": self._recorder.ok,
                   "warming": self._warming})
