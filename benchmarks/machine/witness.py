"""What else a machine did while it was measured: CPU time that other processes had, or the hypervisor kept for others.

A neighbour that takes a fifth of the server's core for a second looks like a server that bears less. Nobody can take
that out of a figure afterwards, but it can be known when it happened, and a load can be sent again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

STAT = Path("/proc/stat")  # of Linux; elsewhere there is nothing to see
TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
LEAST = 0.2  # seconds of a window: in a shorter one, a tick would be a disturbance
BUSY, IDLE, STOLEN = (0, 1, 2, 5, 6), (3, 4), 7  # columns: user, nice, system, idle, iowait, irq, softirq, steal


@dataclass(frozen=True)
class Side:
    """Cores on which something is measured, and the CPU seconds it has used so far; None where nobody can tell."""

    cores: tuple[int, ...]
    own: float | None


@dataclass(frozen=True)
class _Sight:
    at: float
    sides: Mapping[str, Side]
    times: Mapping[int, tuple[float, float, float]]  # by core: busy, idle, stolen seconds


class Witness:
    """Looks when it is asked to; `account` is what went on between two looks."""

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._seen: list[_Sight] = []

    def look(self, at: float, sides: Mapping[str, Side], *, counts: bool = True) -> None:
        """`at` is a time in seconds, on whatever clock the account is to be on.

        Of looks that do not count only the last is kept, as a begin. One too soon after another stands in its place.
        """
        if not (times := _times(self._stat)):
            return
        sight = _Sight(at, sides, times)
        if not counts:
            self._seen = [sight]
        elif not self._seen or at - self._seen[-1].at >= LEAST:
            self._seen.append(sight)
        elif len(self._seen) > 1:
            self._seen[-1] = sight

    def account(self) -> dict[str, Any] | None:
        """`{"at", "sides": {name: {"cores", "stolen", "others", "idle"}}}`; None where nothing was seen.

        `at` has the ends of all windows and the begin of the first. The lists have a share per window, of the time of
        all cores of the side: `others` is None where the side's own part is unknown.
        """
        if len(self._seen) < 2:
            return None
        names = [name for name in self._seen[0].sides if all(name in sight.sides for sight in self._seen)]
        return {"at": [round(sight.at, 3) for sight in self._seen],
                "sides": {name: self._side(name) for name in names}}

    def _side(self, name: str) -> dict[str, Any]:
        cores = [core for core in self._seen[0].sides[name].cores if core in self._seen[0].times]
        columns: dict[str, list[float | None]] = {"stolen": [], "others": [], "idle": []}
        for before, after in pairwise(self._seen):
            busy, idle, stolen = (
                sum(after.times[core][k] - before.times[core][k] for core in cores if core in after.times)
                for k in range(3)
            )
            whole = max(busy + idle + stolen, TICK)
            own = _difference(after.sides[name].own, before.sides[name].own)
            columns["stolen"].append(_share(stolen, whole))
            columns["others"].append(None if own is None else _share(busy - own, whole))
            columns["idle"].append(_share(idle, whole))
        return {"cores": cores, **columns}


def affinity(pid: int) -> tuple[int, ...]:
    """The cores that a process may use; empty where it is gone, or the system does not say."""
    try:
        return tuple(sorted(os.sched_getaffinity(pid)))
    except (AttributeError, OSError):
        return ()


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these processes have used so far, without those that are gone."""
    used = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        used += times.user + times.system
    return used


def _times(stat: Path) -> dict[int, tuple[float, float, float]]:
    found = {}
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        name, *numbers = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and len(numbers) > STOLEN:
            ticks = [int(number) * TICK for number in numbers]
            found[int(name[3:])] = (sum(ticks[k] for k in BUSY), sum(ticks[k] for k in IDLE), ticks[STOLEN])
    return found


def _difference(after: float | None, before: float | None) -> float | None:
    """None also where it went down: a process has ended, and took what it had used with it."""
    return None if after is None or before is None or after < before else after - before


def _share(part: float, whole: float) -> float:
    return round(min(1.0, max(0.0, part / whole)), 3)
