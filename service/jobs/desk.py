"""What a worker does about jobs: accept them, tell how they are, and start a runner where there is work and none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

from service.jobs.lock import is_held
from service.jobs.store import UNFINISHED, Full, Plan, Row, Store
from service.problems import Problem
from service.settings import Settings
from service.wire import Job, ProblemDocument

LOOK_S = 1.0
PATH = "/evaluate/jobs"
ROOT = Path(__file__).parent.parent.parent
logger = logging.getLogger("weighbridge")


class Desk:
    """The jobs of one worker's server. Everything but `watch` blocks, and belongs into a thread."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(settings)
        self._settings = settings
        self._runner: subprocess.Popen[str] | None = None
        self._starting = threading.Lock()

    def submit(self, plan: Plan, files: list[Path]) -> Job:
        """Accept a job and take over its files; Problem where there is no room."""
        try:
            row = self.store.add(plan, files)
        except Full as full:
            settings = self._settings
            raise Problem(
                "overloaded", str(full), limit=settings.max_jobs, retry_after_s=60,
                cure="try again later, cancel one with DELETE, or raise WEIGHBRIDGE_MAX_JOBS and "
                "WEIGHBRIDGE_MAX_JOBS_BYTES on the server",
            ) from None
        except (OSError, sqlite3.Error) as error:
            raise Problem("not-ready", f"jobs cannot be kept: {error}",
                          cure="set WEIGHBRIDGE_JOBS on the server to a folder it may write to") from error
        self.start()
        return describe(row)

    def find(self, name: str) -> Job:
        """One job."""
        return describe(self._row(name))

    def all(self) -> list[Job]:
        """Every job, the newest first."""
        return [describe(row) for row in self.store.all()]

    def result(self, name: str) -> str:
        """The answer as JSON, with thumbnails; Problem where there is none."""
        row = self._row(name)
        if row.state == "done":
            found = self.store.result(name)
            if found is not None:
                return found
        if row.state == "failed" and row.problem:
            told = ProblemDocument.model_validate_json(row.problem)
            raise Problem(told.type.rpartition(":")[2], told.detail, field=told.field, limit=told.limit, cure=told.cure)
        job = describe(row)
        waits = row.state in UNFINISHED
        raise Problem("job-unfinished", f"the job is {row.state}", cure=f"ask {job.url} how far it is" if waits else
                      "submit it again", retry_after_s=max(1, math.ceil(job.left_s or 1)) if waits else None)

    def cancel(self, name: str) -> Job | None:
        """Cancel a job, or forget one that has ended: then None."""
        self._row(name)
        self.store.cancel(name)
        row = self.store.find(name)
        return None if row is None else describe(row)

    async def watch(self) -> None:
        """Until cancelled: where there is work and nobody works, start a runner."""
        while True:
            if self.store.exists():
                try:
                    await asyncio.to_thread(self._look)
                except Exception:
                    logger.exception("looking after jobs failed")
            await asyncio.sleep(LOOK_S)

    def start(self) -> None:
        """Start a runner unless one works; which of two workers' runners works, the lock decides."""
        with self._starting:
            if (self._runner is None or self._runner.poll() is not None) and not is_held(self.store.folder):
                self._runner = self._started()

    def _started(self) -> subprocess.Popen[str]:
        if self._runner is not None and self._runner.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._runner.stdin.close()
        runner = subprocess.Popen(
            [sys.executable, "-m", "service.jobs"], cwd=ROOT, stdin=subprocess.PIPE, text=True
        )
        assert runner.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already; the next look starts another
            runner.stdin.write(json.dumps(self._settings.environ()) + "\n")
            runner.stdin.flush()
        return runner

    def close(self) -> None:
        """Let the runner end: its standard input does. What it was doing is resumed by the next."""
        if self._runner is not None and self._runner.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._runner.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._runner.wait(5)

    def _look(self) -> None:
        if self._runner is not None:
            self._runner.poll()  # so that one that has ended does not stay a zombie
        if self.store.unfinished():
            self.start()

    def _row(self, name: str) -> Row:
        row = self.store.find(name)
        if row is None:
            raise Problem("unknown-job", f"there is no job {name[:40]!r}", field="id",
                          cure=f"see {PATH}; finished jobs are forgotten after a while")
        return row


def describe(row: Row) -> Job:
    """A job as clients see it."""
    plan = Plan.of(row.plan)
    names = [each.small for each in plan.contenders]
    running = row.state == "running" and row.rate
    return Job(
        id=row.id,
        state=row.state,
        model=names[0],
        compare=names[1] if len(names) > 1 else None,
        data=plan.split or "uploaded",
        images=plan.count,
        done=row.done,
        progress=1.0 if row.state == "done" else min(1.0, row.done / plan.total),
        left_s=round((plan.total - row.done) / row.rate, 1) if running and row.rate else None,
        created=row.created,
        started=row.started,
        ended=row.ended,
        attempts=row.attempts,
        problem=ProblemDocument.model_validate_json(row.problem) if row.problem else None,
        url=f"{PATH}/{row.id}",
        result=f"{PATH}/{row.id}/result" if row.state == "done" else None,
    )
