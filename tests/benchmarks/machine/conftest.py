"""A neighbour: a process that shares a core with whoever is measured there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def neighbour() -> Iterator[Callable[[], tuple[int, int]]]:
    """Starts one that never rests; returns its core and its number. It ends with the test."""
    started = []

    def start() -> tuple[int, int]:
        if not hasattr(os, "sched_getaffinity"):
            pytest.skip("cores cannot be chosen")
        core = min(os.sched_getaffinity(0))
        code = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return core, process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()
