"""The generator watches itself: a load from a generator that ran out of breath measures the generator.

Runs as a greenlet beside the sender, samples this process every half second, prints one JSON line of progress for
the parent, and writes its account last, so that the account's presence means that the rows are complete.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import gevent  # type: ignore[import-untyped]

from benchmarks.load.clock import Clock
from benchmarks.load.recorder import Recorder

EVERY = 0.5  # seconds between samples; locust's own check averages over 10 s and never fires in a short run


class SelfCheck:
    """CPU share of this process (1.0 is one core), sampled from `starts` seconds on until sending ends."""

    def __init__(self, clock: Clock, recorder: Recorder, *, starts: float, loud: bool) -> None:
        self._clock, self._recorder = clock, recorder
        self._starts = starts
        self._loud = loud
        self._cpu: list[float] = []
        self._watcher = gevent.spawn(self._watch)

    def sending_ended(self) -> None:
        """Stop sampling: the tail, where only answers are awaited, would flatter the average."""
        self._watcher.kill()

    def write(self, path: Path, *, stopped_early: bool = False) -> None:
        """The account of this load, as JSON."""
        facts = {
            "engine": f"locust {version('locust')}",
            "python": platform.python_version(),
            "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "cpu": [round(share, 3) for share in self._cpu],
            "problems": self._recorder.problems,
            "stopped_early": stopped_early,
            "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        path.write_text(json.dumps(facts, indent=2))

    def _watch(self) -> None:
        gevent.sleep(self._starts)
        cpu, wall = time.process_time(), time.perf_counter()
        while True:
            gevent.sleep(EVERY)
            now_cpu, now_wall = time.process_time(), time.perf_counter()
            self._cpu.append((now_cpu - cpu) / (now_wall - wall))
            cpu, wall = now_cpu, now_wall
            if self._loud:
                said = {"seconds": self._clock.now() / 1e6, "answered": len(self._recorder), "ok": self._recorder.ok}
                sys.stdout.write(json.dumps(said) + "\n")
                sys.stdout.flush()
