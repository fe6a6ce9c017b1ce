"""What is remembered of jobs: one SQLite file that workers and runner share, and a folder per job for its files.

Servers on several hosts may share it through a file system whose locks, flock and fcntl, hold for all of them.

Under WEIGHBRIDGE_JOBS, in a folder for the servers of the same model roots:

    jobs.sqlite3          a row per job
    runner.lock           held by the process that works
    <id>/data-<n>         the upload; <id>/outputs-<n>, <id>/seconds-<n>: what is done so far, per model
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from service.settings import Settings
from service.wire import JobState

ATTEMPTS = 3  # in a row that scored nothing; restarts in between, of which there may be many, do not count
FILE = "jobs.sqlite3"
UNFINISHED = ("queued", "running")
COLUMNS = """
    id TEXT PRIMARY KEY, state TEXT NOT NULL, plan TEXT NOT NULL, bytes INTEGER NOT NULL, done INTEGER NOT NULL,
    rate REAL, created REAL NOT NULL, started REAL, ended REAL, spent_s REAL NOT NULL, attempts INTEGER NOT NULL,
    stuck INTEGER NOT NULL, cancel INTEGER NOT NULL, problem TEXT, result TEXT
"""


@dataclass(frozen=True)
class Contender:
    """One model of a job, fixed when it was accepted. `large` and `threshold` make it a cascade."""

    small: str        # name@version
    sha256: str       # of the file the runtime reads
    route: str | None = None
    large: str | None = None
    large_sha256: str | None = None
    threshold: float = 0.0


@dataclass(frozen=True)
class Plan:
    """All that a job has to do. Of `split` and `files` one is there; `count` is the number of images."""

    contenders: tuple[Contender, ...]
    runtime: str
    batch_size: int
    count: int
    classes: int
    split: str | None = None
    split_sha256: str | None = None
    limit: int | None = None
    files: int = 0

    def text(self) -> str:
        """For the store."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        """What `text` gave."""
        found = json.loads(text)
        return cls(**{**found, "contenders": tuple(Contender(**each) for each in found["contenders"])})

    @property
    def total(self) -> int:
        """Images over all models."""
        return self.count * len(self.contenders)


@dataclass(frozen=True)
class Row:
    """A job as it is stored; `result` is read apart, it may be large."""

    id: str
    state: JobState
    plan: str
    done: int
    rate: float | None  # images per second of this attempt
    created: float
    started: float | None
    ended: float | None
    spent_s: float
    attempts: int
    problem: str | None


SELECT = (
    "SELECT id, state, plan, done, rate, created, started, ended, spent_s, attempts, problem FROM jobs "
)


def _may_be_on_a_network(database: sqlite3.Connection) -> bool:
    """Keep a rollback journal; whether it is kept.

    A write-ahead log needs memory that all who open the file share, and so one host, while servers on several may share
    the folder. It buys little here: at three notes a second readers wait 0.6 ms without it, 0.8 with it. A file that
    an older version left with one cannot be changed while somebody reads it, and is at the next opening.
    """
    try:
        found, = database.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:
        return False
    return bool(found == "delete")


class Full(Exception):  # noqa: N818 - a state of the store
    """There is no room for another job; the message says what is in the way."""


class Store:
    """The jobs under `settings.jobs`. Blocks; any thread and any process may use it. Makes nothing before `add`."""

    def __init__(self, settings: Settings) -> None:
        # Servers of other models must not take over jobs that they cannot do.
        roots = "\n".join(str(root.resolve()) for root in settings.models)
        self.folder = settings.jobs / hashlib.sha256(roots.encode()).hexdigest()[:8]
        self._settings = settings
        self._made = False

    def exists(self) -> bool:
        """Whether there ever was a job."""
        return (self.folder / FILE).exists()

    def files(self, name: str) -> Path:
        """The folder of a job."""
        return self.folder / name

    def add(self, plan: Plan, files: list[Path]) -> Row:
        """Accept a job and take over its files, which are moved. Full where there is no room."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._made &= self.exists()  # somebody may have removed all of it
        name = secrets.token_hex(8)
        size = sum(path.stat().st_size for path in files) + plan.total * (4 * plan.classes + 8)  # and its outputs
        try:
            self.files(name).mkdir(mode=0o700)
            for place, path in enumerate(files):
                shutil.move(path, self.files(name) / f"data-{place}")
            with self._opened() as database:
                database.execute("BEGIN IMMEDIATE")  # nobody else adds between the look and the deed
                self._make_room(database, size)
                database.execute(
                    "INSERT INTO jobs VALUES (?, 'queued', ?, ?, 0, NULL, ?, NULL, NULL, 0, 0, 0, 0, NULL, NULL)",
                    (name, plan.text(), size, time.time()),
                )
        except BaseException:
            self.drop_files(name)
            raise
        found = self.find(name)
        assert found is not None
        return found

    def find(self, name: str) -> Row | None:
        """One job."""
        return next(iter(self._rows("WHERE id = ?", name)), None)

    def all(self) -> list[Row]:
        """Every job, the newest first."""
        return self._rows("ORDER BY created DESC, id")

    def unfinished(self) -> bool:
        """Whether there is work."""
        return bool(self._rows("WHERE state IN ('queued', 'running') LIMIT 1"))

    def result(self, name: str) -> str | None:
        """The result of a job that is done, as JSON."""
        if not self.exists():
            return None
        with self._opened() as database:
            found = database.execute("SELECT result FROM jobs WHERE id = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def cancel(self, name: str) -> None:
        """One that waits is cancelled at once, one that runs soon; one that has ended is forgotten."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE jobs SET cancel = 1 WHERE id = ? AND state = 'running'", (name,))
            queued = database.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'", (time.time(), name)
            ).rowcount
            gone = 0 if queued else database.execute(
                "DELETE FROM jobs WHERE id = ? AND state NOT IN ('queued', 'running')", (name,)
            ).rowcount
        if queued or gone:
            self.drop_files(name)

    # What follows is for the runner, of which there is one.

    def recover(self) -> list[str]:
        """Put jobs whose runner died back into the queue; the names of those that were tried too often instead."""
        hopeless = [row.id for row in self._rows("WHERE state = 'running' AND cancel = 0 AND stuck >= ?", ATTEMPTS)]
        with self._opened() as database:
            database.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ? WHERE state = 'running' AND cancel = 1", (time.time(),)
            )
            database.execute(
                "UPDATE jobs SET state = 'queued' WHERE state = 'running' AND stuck < ?", (ATTEMPTS,)
            )
        return hopeless

    def claim(self) -> Row | None:
        """The job that has waited longest, now running; None where none waits."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            found = database.execute(
                "SELECT id FROM jobs WHERE state = 'queued' ORDER BY created, id LIMIT 1"
            ).fetchone()
            if found is None:
                return None
            database.execute(
                "UPDATE jobs SET state = 'running', attempts = attempts + 1, stuck = stuck + 1, rate = NULL, "
                "started = COALESCE(started, ?) WHERE id = ?", (time.time(), found[0]),
            )
        return self.find(found[0])

    def progress(self, name: str, done: int, rate: float | None, spent_s: float) -> bool:
        """Note how far a job is; whether it is still wanted."""
        with self._opened() as database:
            database.execute(
                "UPDATE jobs SET stuck = CASE WHEN ? > done THEN 0 ELSE stuck END, done = ?, rate = ?, spent_s = ? "
                "WHERE id = ?", (done, done, rate, spent_s, name),
            )
            found = database.execute("SELECT cancel FROM jobs WHERE id = ?", (name,)).fetchone()
        return found is not None and not found[0]

    def finish(self, name: str, state: JobState, *, result: str | None = None, problem: str | None = None) -> None:
        """End a job. Its files go, its result stays."""
        with self._opened() as database:
            database.execute(
                "UPDATE jobs SET state = ?, ended = ?, result = ?, problem = ?, bytes = ? WHERE id = ?",
                (state, time.time(), result, problem, len(result or ""), name),
            )
        self.drop_files(name)

    def tidy(self) -> None:
        """Forget what is too old or too much, and remove files that belong to no job."""
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            self._forget(database, time.time() - self._settings.keep_jobs_s)
            known = {name for (name,) in database.execute("SELECT id FROM jobs WHERE state IN ('queued', 'running')")}
        for folder in self.folder.glob("*/"):
            # A job's files are there a moment before its row.
            if folder.name not in known and time.time() - folder.stat().st_mtime > 600:
                shutil.rmtree(folder, ignore_errors=True)

    def drop_files(self, name: str) -> None:
        """Remove the files of a job."""
        shutil.rmtree(self.files(name), ignore_errors=True)

    def _make_room(self, database: sqlite3.Connection, size: int) -> None:
        settings = self._settings
        self._forget(database, time.time() - settings.keep_jobs_s)
        while True:
            count, held = database.execute("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM jobs").fetchone()
            if count < settings.max_jobs and held + size <= settings.max_jobs_bytes:
                return
            oldest = database.execute(
                "SELECT id FROM jobs WHERE state NOT IN ('queued', 'running') ORDER BY ended LIMIT 1"
            ).fetchone()
            if oldest is None:
                why = f"{count} jobs" if count >= settings.max_jobs else f"jobs of {held} bytes"
                raise Full(f"{why} are unfinished")
            database.execute("DELETE FROM jobs WHERE id = ?", oldest)

    def _forget(self, database: sqlite3.Connection, before: float) -> None:
        database.execute("DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND ended < ?", (before,))

    def _rows(self, where: str, *values: Any) -> list[Row]:
        if not self.exists():
            return []
        with self._opened() as database:
            return [Row(*found) for found in database.execute(SELECT + where, values)]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.folder / FILE, timeout=10, isolation_level=None)
        try:
            if not self._made:
                kept = _may_be_on_a_network(database)
                database.execute(f"CREATE TABLE IF NOT EXISTS jobs ({COLUMNS})")
                self._made = kept
            yield database
            if database.in_transaction:
                database.execute("COMMIT")
        finally:
            database.close()  # rolls back what was not committed
