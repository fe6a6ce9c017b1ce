"""Many runs from one command: what is complete is skipped, small networks share the cores, one bar shows all.

On two cores a small network gains nothing from a second thread, but two of them train in the time of one. So small
recipes run in one process per core, and the others one after the other on all cores. A cluster gets all of them at
once. Who learns from another network waits until that is trained. What fails is told, once, and does not keep the
others from being trained.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from training.datasets import MissingDataset, load_split
from training.engines import ENGINES
from training.engines.local import processes_for
from training.execution import Execution, choose, is_small
from training.loop import Task, Watcher, train
from training.overview import Overview, Row
from training.plan import How, plan
from training.progress import Live, summary, watcher_for
from training.runs import Run, RunError, open_run
from training.teacher import ask_ahead


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to: runs not finished for want of time, and the failures that were told."""

    left: int
    failures: int


class Campaign:
    """All tasks of one command."""

    def __init__(self, tasks: Sequence[Task], how: How, console: Console) -> None:
        self._how, self._console = how, console
        self._deadline = time.monotonic() + how.seconds
        self._told: set[str] = set()
        self._tasks = [task for task in tasks if not self._complete(task)]
        self._overview: Overview | None = None

    def run(self) -> Outcome:
        """Train what is not complete; returns when all is done or time is up.

        A KeyboardInterrupt passes through, with no process left behind.
        """
        waves = list(_waves(self._tasks))
        if any(map(self._together, waves)) or (len(self._tasks) > 1 and self._console.is_terminal):
            self._overview = Overview(self._console, self._tasks)
        left, begun = 0, False
        try:
            for wave in waves:
                if left:  # time was up, and these may lack their teachers
                    left += len(wave)
                    continue
                together = self._together(wave)
                if together and self._how.engine == "local":
                    self._ask_teachers(together)
                left += self._run_together(together) if together else 0
                alone = [task for task in wave if task not in together]
                left += self._run_alone(alone, begun=begun or bool(together))
                begun = True
        finally:
            if self._overview:
                self._overview.stop()
        return Outcome(left, len(self._told))

    def _complete(self, task: Task) -> bool:
        run = open_run(task.folder)
        if run is not None:
            self._console.print(f"[bold]{task.label}[/]: complete, {summary(run)}", highlight=False)
        return run is not None

    def _together(self, tasks: list[Task]) -> list[Task]:
        """The tasks for an engine; none where this process is asked for or is all there is."""
        if self._how.engine != "local":
            return [task for task in tasks if not task.recipe.teacher]  # whose run lies here, and not on the nodes
        if self._how.jobs is None and self._how.threads is not None:
            return []  # who counts threads wants this process
        shared = [task for task in tasks if self._how.jobs or is_small(task.recipe)]
        return shared if min(processes_for(self._how), len(shared)) > 1 else []

    def _ask_teachers(self, tasks: list[Task]) -> None:
        """Once per recipe, on all cores, before processes share them. Who cannot be asked is told by who trains."""
        assert self._overview is not None
        for task in {task.recipe.name: task for task in tasks if task.recipe.teacher}.values():
            watcher = self._overview.watcher(task)
            try:
                execution = choose(task.recipe, device=self._how.device)
                if execution.device != "cpu":  # a GPU answers in a second, and this process needs no part of it
                    return
                watcher.begin(task, execution, len(load_split(task.recipe.dataset, "train").labels), 0)
                ask_ahead(task.recipe, execution, root=task.root, tell=partial(watcher.asking, task.recipe.teacher))
            except (ValueError, MissingDataset, RunError, RuntimeError):
                continue
            finally:
                watcher.withdraw()

    def _run_together(self, tasks: list[Task]) -> int:
        """By an engine; returns how many are left when time is up."""
        assert self._overview is not None
        rows: dict[int, Row] = {}
        unfinished = 0
        with ENGINES[self._how.engine](tasks, self._how, self._deadline) as engine:
            for number, event, content in engine.events():
                if event == "begin":
                    rows[number] = self._overview.watcher(tasks[number])
                    rows[number].begin(tasks[number], Execution(**content[0]), *content[1:])
                elif event in ("asking", "batch", "epoch"):
                    getattr(rows[number], event)(*content)
                elif event in ("lost", "note"):
                    self._overview.say(content[0])
                    if event == "lost" and number in rows:
                        rows.pop(number).withdraw()
                elif number in rows:
                    rows.pop(number).close()
                if event == "finished":
                    self._ended(_opened(content[0]))
                elif event == "failed":
                    self._tell(content[0])
                elif event == "unfinished":
                    unfinished += 1
            return unfinished + engine.waiting

    def _run_alone(self, tasks: list[Task], *, begun: bool) -> int:
        """In this process; returns how many are left when time is up."""
        for number, task in enumerate(tasks):
            if begun and time.monotonic() > self._deadline:  # the first gets one epoch further in any case
                return len(tasks) - number
            begun = True
            watcher: Watcher = self._overview.watcher(task) if self._overview else watcher_for(self._console)
            try:
                execution, record = plan(task, self._how)
                run = train(task, execution=execution, watcher=watcher, deadline=self._deadline, probe=record)
            except (ValueError, MissingDataset, RunError) as error:
                self._tell(str(error))
                continue
            except RuntimeError as error:
                self._tell(task.failure(error))
                continue
            finally:
                if isinstance(watcher, Live | Row):
                    watcher.close()
            if run is None:
                return len(tasks) - number
            self._ended(run)
        return 0

    def _ended(self, run: Run) -> None:
        if self._overview:
            self._overview.end(f"{run.label}: {summary(run)}")
        else:
            self._console.print(f"  {summary(run)}\n  {run.folder}", highlight=False)

    def _tell(self, message: str) -> None:
        if message not in self._told:
            Console(stderr=True, soft_wrap=True).print(message, style="red", highlight=False, markup=False)
        self._told.add(message)


def _waves(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """Teachers before those who learn from them, and otherwise in order; a circle of teachers comes last."""
    left = list(tasks)
    while left:
        names = {task.recipe.name for task in left}
        wave = [task for task in left if task.recipe.teacher not in names] or left
        yield wave
        left = [task for task in left if task not in wave]


def _opened(folder: Path) -> Run:
    run = open_run(folder)
    assert run is not None  # its process said that it was finished
    return run
