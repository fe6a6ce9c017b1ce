"""The work of one job after the other: score, keep what is done where the next runner finds it, tell how far it is.

Every batch's probabilities and seconds are appended to two files as soon as they are there. Whoever resumes a job cuts
both to the same number of whole batches and goes on from there, so nothing is scored twice and nothing is left out.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.jobs.lock import take
from service.jobs.store import Contender, Plan, Row, Store
from service.labelled import Material, Uploaded, from_split
from service.problems import Problem
from service.routing import Cascaded
from service.runtimes import RUNTIMES
from service.settings import Settings
from service.shelf import Opened, Shelf
from service.sources import Bounds, open_source
from service.splits import find_splits
from service.trial import Probabilities, batches, compared, report
from service.wire import EvaluateAnswer

TELL_S = 0.3     # between two notes of progress
LINGER_S = 1.0   # a runner that has nothing to do waits so long for the next job before it ends
STARTING_S = 5.0
logger = logging.getLogger("weighbridge")


class Cancelled(Exception):  # noqa: N818 - somebody's wish
    """Nobody wants the result any more."""


def work(settings: Settings) -> None:
    """Work off the queue, if nobody else does."""
    store = Store(settings)
    lock = _wait_for_lock(store.folder)
    if lock is None:
        return
    _step_back(settings.job_share)
    try:
        _recover(store)
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < LINGER_S:
            row = store.claim()
            if row is None:
                time.sleep(TELL_S / 3)
                continue
            _finish(store, row, settings)
            store.tidy()
            idle_since = time.monotonic()
    finally:
        os.close(lock)


def _wait_for_lock(folder: Path) -> int | None:
    ends = time.monotonic() + STARTING_S
    while (lock := take(folder)) is None and time.monotonic() < ends:
        time.sleep(0.05)  # a look at the lock, or a runner that is just ending
    return lock


def _step_back(share: float) -> None:
    """Get `share` of what others get of a core that they want as well; a core that nobody wants is used fully.

    Each step of niceness is a factor of 1.25 in Linux's scheduler: the kernel keeps the promise, and nothing
    has to sleep. But it pays a share out in turns of a clock tick, 1 to 10 ms in which a request waits: at 0.05 they
    are frequent enough to show in the 99th percentile. With a share of 0 there are none: SCHED_IDLE runs when nobody
    else wants to, and in Linux still gets 0.3 % of a core that is wanted all the time, so that no job stands still.
    """
    with contextlib.suppress(OSError, AttributeError):
        if share == 0:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(19 if share == 0 else min(19, round(math.log(1 / share, 1.25))))


def _recover(store: Store) -> None:
    for name in store.recover():
        problem = Problem("internal-error", "the process that did the work died each time it was tried",
                          cure="see the server's log; memory is the usual reason: send fewer or smaller images")
        store.finish(name, "failed", problem=problem.document().model_dump_json(exclude_none=True))
    store.tidy()


def _finish(store: Store, row: Row, settings: Settings) -> None:
    """Do one job and note how it ended."""
    try:
        answer = _Work(store, row, settings).answer()
        store.finish(row.id, "done", result=answer.model_dump_json(exclude_none=True))
    except Cancelled:
        store.finish(row.id, "cancelled")
    except Problem as problem:
        store.finish(row.id, "failed", problem=problem.document().model_dump_json(exclude_none=True))
    except Exception as error:
        logger.exception("job %s failed", row.id)
        failed = Problem("internal-error", f"{type(error).__name__}: {error}"[:500], cure="see the server's log")
        store.finish(row.id, "failed", problem=failed.document().model_dump_json(exclude_none=True))


class _Work:
    """One attempt at one job."""

    def __init__(self, store: Store, row: Row, settings: Settings) -> None:
        self._store, self._row, self._settings = store, row, settings
        self._plan = Plan.of(row.plan)
        self._done = self._before = 0
        self._began = time.monotonic()
        self._told = 0.0
        self._folder = store.files(row.id)

    def answer(self) -> EvaluateAnswer:
        """Everything, from where the last attempt stopped."""
        plan = self._plan
        opened = _open_all(plan, self._settings)
        materials = [self._material(each) for each in opened]
        files = [_Done(self._folder, place, len(each.card.classes)) for place, each in enumerate(opened)]
        for file in files:
            self._done += file.resume(plan.batch_size, plan.count)
        self._before = self._done
        self._tell()
        answers, right = [], []
        for each, material, file in zip(opened, materials, files, strict=True):
            probabilities, seconds = self._score(each, material, file)
            answers.append(report(each, material, probabilities, seconds, plan.batch_size, cells=True))
            right.append(probabilities.argmax(axis=1) == material.labels)
        routes = [each.route for each in plan.contenders]
        answers = [each.model_copy(update={"route": route}) for each, route in zip(answers, routes, strict=True)]
        self._tell()
        return compared(answers, right)

    def _material(self, opened: Opened) -> Material:
        plan, settings = self._plan, self._settings
        if plan.split is None:
            paths = [self._folder / f"data-{place}" for place in range(plan.files)]
            return Uploaded(open_source(paths, Bounds.of(settings)), opened.card, settings, plan.limit, self._look)
        splits, _ = find_splits(settings.models)
        found = from_split(plan.split, plan.limit, opened.card, splits, settings)
        if found.used.sha256 != plan.split_sha256:
            raise Problem("not-ready", f"{plan.split} has changed since the job was accepted", field="split",
                          cure="submit it again")
        return found

    def _score(self, opened: Opened, material: Material, file: _Done) -> tuple[Probabilities, list[float]]:
        for output, took_s in batches(opened, material, self._plan.batch_size, file.rows):
            file.append(output, took_s)
            self._done += len(output)
            self._look()
        return file.read()

    def _look(self) -> None:
        """Cancelled, or a Problem, where the job is to end; between two images too, for a batch may have thousands."""
        if time.monotonic() - self._told >= TELL_S:
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        spent_s = now - self._began
        new = self._done - self._before
        rate = new / spent_s if new and spent_s > 0 else None
        spent_s += self._row.spent_s
        if not self._store.progress(self._row.id, self._done, rate, spent_s):
            raise Cancelled
        self._told = now
        limit_s = self._settings.job_limit_s
        if spent_s > limit_s:
            raise Problem("answer-timeout", f"{self._done} of {self._plan.total} images were scored in {limit_s:g} s",
                          limit=limit_s, cure="send fewer images, or raise WEIGHBRIDGE_JOB_LIMIT_S on the server")


@dataclass
class _Done:
    """What is done of one model: its outputs and the seconds of each batch, as files that only grow."""

    folder: Path
    place: int
    classes: int
    rows: int = 0

    def resume(self, batch_size: int, count: int) -> int:
        """Cut both files to what both have; the number of images that are done."""
        rows, calls = _size(self._outputs) // (4 * self.classes), _size(self._seconds) // 8
        rows = min(rows, calls * batch_size, count)
        if rows < count:
            rows -= rows % batch_size
        self.folder.mkdir(exist_ok=True)
        for path, size in ((self._outputs, rows * 4 * self.classes), (self._seconds, -(-rows // batch_size) * 8)):
            path.touch()
            os.truncate(path, size)
        self.rows = rows
        return rows

    def append(self, output: Probabilities, took_s: float) -> None:
        """One batch more."""
        with self._outputs.open("ab") as file:
            file.write(np.ascontiguousarray(output, np.float32).tobytes())
        with self._seconds.open("ab") as file:
            file.write(np.float64(took_s).tobytes())

    def read(self) -> tuple[Probabilities, list[float]]:
        """All of it."""
        outputs = np.frombuffer(self._outputs.read_bytes(), np.float32).reshape(-1, self.classes)
        return outputs, np.frombuffer(self._seconds.read_bytes(), np.float64).tolist()

    @property
    def _outputs(self) -> Path:
        return self.folder / f"outputs-{self.place}"

    @property
    def _seconds(self) -> Path:
        return self.folder / f"seconds-{self.place}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _open_all(plan: Plan, settings: Settings) -> list[Opened]:
    """The models of a plan, checked as the server checks them, and no other model of its shelf."""
    wanted = {each for contender in plan.contenders for each in (contender.small, contender.large) if each}
    shelf = Shelf(settings)
    shelf.load(lambda name, version: f"{name}@{version}" not in wanted)
    return [_open(contender, plan.runtime, shelf) for contender in plan.contenders]


def _open(contender: Contender, runtime: str, shelf: Shelf) -> Opened:
    small = _checked(shelf, contender.small, contender.sha256, runtime)
    if contender.large is None or contender.large_sha256 is None:
        return small
    large = _checked(shelf, contender.large, contender.large_sha256, runtime)
    return Opened(small.card, Cascaded(small, large, contender.threshold), small.image_s)


def _checked(shelf: Shelf, name: str, sha256: str, runtime: str) -> Opened:
    opened = shelf.open(shelf.find(name), runtime)
    if fingerprint(opened) != sha256:
        raise Problem("not-ready", f"{name} has changed since the job was accepted", field="model",
                      cure="submit it again")
    return opened


def fingerprint(opened: Opened) -> str:
    """The hash of the file that an opened model was read from."""
    file = opened.card.file(RUNTIMES[opened.run.name].format)
    assert file is not None
    return file.sha256
