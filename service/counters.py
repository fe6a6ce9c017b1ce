"""Numbers that all workers count in together: exact whenever they are read, and kept when a worker is killed.

Each worker has a memory-mapped file of 64-bit floats and a file of lines that say whose they are. Counting is one
addition in memory, no lock and no system call; the kernel keeps what was counted even for a process that is killed.
Whoever reads adds up the files of all workers. A worker holds a lock on its file as long as it lives, so that readers
know whose gauges still count. Without a folder to share, everything stays in this process.

A write to mapped memory for which the disk has no room ends the process, so room is taken before a number is given out.
Where there is none left, a worker goes on by itself: no request ever fails because it cannot be counted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import math
import mmap
import os
import shutil
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PREFIX = "weighbridge-"
SLOTS = 2**20          # numbers in one worker: some 7,000 pairs of model version and runtime, years of new versions
STEP = 2**13           # numbers that room is taken for at a time, 64 KB; six models need one step
MANY_DEAD = 8          # files of ended workers that may lie around before a new one puts them into one
Kind = Literal["counter", "sum", "min"]  # over workers: all that ever were; all that live; the least of those that live
UNTOLD = math.nan      # a "min" that a worker has nothing to say of any more, though its slot stays
Labels = tuple[str, ...]
Found = dict[tuple[str, Labels], list[float]]
logger = logging.getLogger("weighbridge")


@dataclass(frozen=True)
class _Place:
    """What a line of the index says: these slots are `name` with these labels."""

    name: str
    labels: Labels
    kind: Kind
    start: int
    count: int


class _Share:
    """The two files of one worker, for others to read. OSError where there is no room for them."""

    def __init__(self, folder: Path, name: str) -> None:
        self._numbers = (folder / f"{PREFIX}{name}.values").open("x+b", buffering=0)
        self._numbers.truncate(SLOTS * 8)  # addresses for all that may come; they take no space
        self.values = memoryview(mmap.mmap(self._numbers.fileno(), SLOTS * 8)).cast("d")
        self._room = 0
        self._index = (folder / f"{PREFIX}{name}.index").open("xb", buffering=0)
        fcntl.flock(self._index, fcntl.LOCK_EX)

    def add(self, place: _Place) -> None:
        """Take room for the numbers of `place`, then say whose they are: the whole line, or none of it."""
        while place.start + place.count > self._room:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(self._numbers.fileno(), self._room * 8, STEP * 8)
            self._room += STEP
        line, at = _line(place), self._index.tell()
        if self._index.write(line) != len(line):
            self._index.truncate(at)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Let go of the lock. The numbers stay where they are, for as long as `values` does."""
        self._index.close()
        self._numbers.close()


@dataclass(eq=False)
class Counters:
    """The numbers of this process. `values[slot] += 1` counts; slots keep their number for ever, but look `values` up
    each time: it is another where a worker had to go on by itself.

    Slots are added to by one thread; where several may, they share `lock`.
    """

    folder: Path | None
    values: memoryview[float] = field(default_factory=lambda: memoryview(b"").cast("d"))
    lock: threading.Lock = field(default_factory=threading.Lock)
    _places: list[_Place] = field(default_factory=list)
    _share: _Share | None = None
    _alone: bool = False  # there was a folder, and no room in it
    _next: int = 0

    def slots(self, name: str, labels: Labels, kind: Kind, count: int) -> int:
        """The first of `count` new slots in a row, all 0."""
        with self.lock:
            if not len(self.values):
                self._open()
            if self._next + count > SLOTS:
                raise OverflowError(f"more than {SLOTS} numbers are counted; labels must be bounded")
            place = _Place(name, labels, kind, self._next, count)
            if self._share is not None:
                try:
                    self._share.add(place)
                except OSError as error:
                    self._leave(error)
            self._next += count
            self._places.append(place)
            return place.start

    def read(self) -> tuple[Found, int]:
        """All numbers of all workers by name and labels, and how many workers live."""
        found: Found = {}
        alive = 0
        if self.folder is None or self._alone:
            _add(found, self._places, self.values, alive=True)
            alive = 1
        if self.folder is not None:
            try:
                alive += self._read_others(self.folder, found)
            except OSError:
                if not self._alone:
                    raise
        return found, alive

    def close(self) -> None:
        """Stop counting as alive. What was counted stays."""
        if self._share is not None:
            self._share.close()
            self._share = None

    def _read_others(self, folder: Path, found: Found) -> int:
        alive = 0
        with _locked(folder, fcntl.LOCK_SH):
            for index in sorted(folder.glob(f"{PREFIX}*.index")):
                living = _is_locked(index)
                alive += living
                _add(found, *_read(index), alive=living)
        return alive

    def _open(self) -> None:
        """Late, so that a process which only looks at the application makes no files."""
        if self.folder is None:
            self.values = _private()
            return
        try:
            with _locked(self.folder, fcntl.LOCK_EX):  # until the new file is locked, it looks like a dead worker's
                with suppress(OSError):  # the heap stays; whoever comes next tries again
                    _put_together(self.folder)
                self._share = _Share(self.folder, f"{os.getpid()}-{time.time_ns()}")
                self.values = self._share.values
        except OSError as error:
            self._leave(error)

    def _leave(self, error: OSError) -> None:
        """Go on in memory of this process. What was shared is from now on that of a worker which has ended, so counters
        begin at 0, and gauges stay."""
        logger.error("no room to count in %s; from now on, only this worker's own answers to /metrics have what it "
                     "counts: %s", self.folder, error)
        before, self.values = self.values, _private()
        for place in self._places:
            if place.kind != "counter":
                mine = slice(place.start, place.start + place.count)
                self.values[mine] = before[mine]
        self.close()
        self._alone = True


def remove(folder: Path) -> None:
    """Remove the numbers of a server that has ended; nothing happens where one of its workers lives."""
    with suppress(OSError), _locked(folder, fcntl.LOCK_EX):
        if not any(map(_is_locked, folder.glob(f"{PREFIX}*.index"))):
            shutil.rmtree(folder)


def _private() -> memoryview[float]:
    return memoryview(mmap.mmap(-1, SLOTS * 8)).cast("d")


def _line(place: _Place) -> bytes:
    return json.dumps([place.name, place.labels, place.kind, place.start, place.count]).encode() + b"\n"


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
        if place.kind == "min" and math.isnan(mine[0]):
            continue
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
    name = folder / f"{PREFIX}0-{time.time_ns()}"
    together, values = name.with_suffix(".unfinished"), name.with_suffix(".values")
    lines, numbers = b"", array("d")
    for (family, labels), counted in found.items():
        lines += _line(_Place(family, labels, "counter", len(numbers), len(counted)))
        numbers.extend(counted)
    try:
        values.write_bytes(numbers.tobytes())
        together.write_bytes(lines)
    except OSError:
        together.unlink(missing_ok=True)
        values.unlink(missing_ok=True)
        raise
    for index in dead:
        index.unlink()
        index.with_suffix(".values").unlink()
    together.rename(name.with_suffix(".index"))


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
