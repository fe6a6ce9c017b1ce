"""Numbers that all workers count in together: exact whenever they are read, and kept when a worker is killed.

Each worker has a memory-mapped file of 64-bit floats and a file of lines that say whose they are. Counting is one
addition in memory, no lock and no system call; the kernel keeps what was counted even for a process that is killed.
Whoever reads adds up the files of all workers. A worker holds a lock on its file as long as it lives, so that readers
know whose gauges still count. Without a folder to share, everything stays in this process.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

PREFIX = "weighbridge-"
SLOTS = 2**20          # numbers in one worker; the file is sparse, so what is not used takes no space
MANY_DEAD = 8          # files of ended workers that may lie around before a new one puts them into one
Kind = Literal["counter", "sum", "min"]  # over workers: all that ever were; all that live; the least of those that live
Labels = tuple[str, ...]
Found = dict[tuple[str, Labels], list[float]]


@dataclass(frozen=True)
class _Place:
    """What a line of the index says: these slots are `name` with these labels."""

    name: str
    labels: Labels
    kind: Kind
    start: int
    count: int


@dataclass(eq=False)
class Counters:
    """The numbers of this process. `values[slot] += 1` counts; slots stay where they are for ever.

    Slots are added to by one thread; where several may, they share `lock`.
    """

    folder: Path | None
    values: memoryview[float] = field(default_factory=lambda: memoryview(b"").cast("d"))
    lock: threading.Lock = field(default_factory=threading.Lock)
    _places: list[_Place] = field(default_factory=list)
    _index: IO[str] | None = None
    _next: int = 0

    def slots(self, name: str, labels: Labels, kind: Kind, count: int) -> int:
        """The first of `count` new slots in a row, all 0."""
        with self.lock:
            if not len(self.values):
                self._open()
            if self._next + count > SLOTS:
                raise OverflowError(f"more than {SLOTS} numbers are counted; labels must be bounded")
            place = _Place(name, labels, kind, self._next, count)
            self._next += count
            self._places.append(place)
            if self._index is not None:
                self._index.write(json.dumps([name, labels, kind, place.start, count]) + "\n")
            return place.start

    def read(self) -> tuple[Found, int]:
        """All numbers of all workers by name and labels, and how many workers live."""
        found: Found = {}
        if self.folder is None:
            _add(found, self._places, self.values, alive=True)
            return found, 1
        alive = 0
        with _locked(self.folder, fcntl.LOCK_SH):
            for index in sorted(self.folder.glob(f"{PREFIX}*.index")):
                living = _is_locked(index)
                alive += living
                _add(found, *_read(index), alive=living)
        return found, alive

    def close(self) -> None:
        """Stop counting as alive. What was counted stays."""
        if self._index is not None:
            self._index.close()
            self._index = None

    def _open(self) -> None:
        """Late, so that a process which only looks at the application makes no files."""
        if self.folder is None:
            self.values = memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")
            return
        with _locked(self.folder, fcntl.LOCK_EX):  # until the new file is locked, it looks like that of a dead worker
            _put_together(self.folder)
            index, self.values = _create(self.folder, f"{os.getpid()}-{time.time_ns()}")
            fcntl.flock(index, fcntl.LOCK_EX)
            self._index = index


def _create(folder: Path, name: str, ending: str = ".index") -> tuple[IO[str], memoryview[float]]:
    with (folder / f"{PREFIX}{name}.values").open("x+b") as file:
        file.truncate(SLOTS * 8)
        values = memoryview(mmap.mmap(file.fileno(), SLOTS * 8)).cast("d")
    return (folder / f"{PREFIX}{name}{ending}").open("x", buffering=1), values  # whole lines are written at once


def _read(index: Path) -> tuple[list[_Place], memoryview[float]]:
    lines = index.read_text().split("\n")[:-1]  # a line without its end is still being written
    places = [_Place(name, tuple(labels), kind, start, count)
              for name, labels, kind, start, count in map(json.loads, lines)]
    with index.with_suffix(".values").open("rb") as file:
        size = max((place.start + place.count for place in places), default=0)
        return places, memoryview(file.read(size * 8)).cast("d")


def _add(found: Found, places: list[_Place], values: memoryview[float], *, alive: bool) -> None:
    for place in places:
        if place.kind != "counter" and not alive:
            continue
        mine = list(values[place.start : place.start + place.count])
        before = found.get((place.name, place.labels))
        if before is None:
            found[place.name, place.labels] = mine
        elif place.kind == "min":
            found[place.name, place.labels] = [min(pair) for pair in zip(before, mine, strict=True)]
        else:
            found[place.name, place.labels] = [one + other for one, other in zip(before, mine, strict=True)]


def _put_together(folder: Path) -> None:
    """One file for all workers that have ended, so that one which dies again and again leaves no heap of files.

    With the folder locked. A kill in between may lose what ended workers have counted, and counts nothing twice.
    """
    dead = [index for index in folder.glob(f"{PREFIX}*.index") if not _is_locked(index)]
    if len(dead) < MANY_DEAD:
        return
    found: Found = {}
    for index in dead:
        _add(found, *_read(index), alive=False)
    name = f"0-{time.time_ns()}"
    together, values = _create(folder, name, ".unfinished")
    start = 0
    with together:
        for (family, labels), numbers in found.items():
            for number, value in enumerate(numbers):
                values[start + number] = value
            together.write(json.dumps([family, labels, "counter", start, len(numbers)]) + "\n")
            start += len(numbers)
    for index in dead:
        index.unlink()
        index.with_suffix(".values").unlink()
    (folder / f"{PREFIX}{name}.unfinished").rename(folder / f"{PREFIX}{name}.index")


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{PREFIX}lock").open("a") as file:
        fcntl.flock(file, how)
        yield


def _is_locked(index: Path) -> bool:
    with index.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
