"""Tasks in several processes. Each process trains one task at a time and tells this one how it goes on.

    with Pool(tasks, how, processes=2, deadline=...) as pool:
        for number, event, content in pool.events(): ...

A process that dies takes its run back to the last finished epoch, and nothing else with it. Ctrl-C reaches only this
process, which then ends the others; if it is killed itself, they notice the closed pipe and end.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from training.cpu import usable_cores
from training.datasets import MissingDataset
from training.engines.engine import Event
from training.execution import Execution
from training.loop import Task, train
from training.plan import How, plan
from training.recipe import Recipe
from training.runs import RunError

BORN = get_context("spawn")  # a forked torch does not survive its parent's threads


class Pool:
    """`tasks` shared among `processes`; none is handed out after `deadline`, a time of time.monotonic()."""

    def __init__(self, tasks: Sequence[Task], how: How, *, processes: int, deadline: float) -> None:
        self._waiting = list(enumerate(tasks))[::-1]
        self._labels = [task.label for task in tasks]
        self._how, self._deadline = how, deadline
        self._processes = min(processes, len(tasks))
        self._children: dict[Connection, _Child] = {}

    @classmethod
    def sharing(cls, tasks: Sequence[Task], how: How, deadline: float) -> Pool:
        """As many processes as were asked for, else one per core, which share the cores."""
        processes = processes_for(how)
        threads = how.threads or max(1, usable_cores() // processes)
        return cls(tasks, replace(how, threads=threads), processes=processes, deadline=deadline)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.process.terminate()
        for child in self._children.values():
            child.process.join(5)
            child.process.kill()
            child.process.join()

    @property
    def waiting(self) -> int:
        """Tasks that no process has begun."""
        return len(self._waiting)

    def events(self) -> Iterator[Event]:
        """What happens, until all tasks are done or time is up."""
        for _ in range(self._processes):
            self._start()
        while self._children:
            for pipe in wait(list(self._children)):
                assert isinstance(pipe, Connection)
                child = self._children[pipe]
                try:
                    event, content = pipe.recv()
                except (EOFError, OSError):
                    yield child.number, "failed", (self._obituary(child),)
                    del self._children[pipe]
                    if self._waiting and time.monotonic() < self._deadline:
                        self._start()
                    continue
                yield child.number, event, content
                if event in ("finished", "unfinished", "failed") and not self._hand_out(child):
                    pipe.close()
                    child.process.join()
                    del self._children[pipe]

    def _start(self) -> None:
        here, there = BORN.Pipe()
        process = BORN.Process(target=_serve, args=(there,), daemon=True)
        with _interruptions_held():
            process.start()
            self._children[here] = child = _Child(process, here)
        there.close()  # so that the child's death closes the pipe
        self._hand_out(child, always=True)

    def _hand_out(self, child: _Child, *, always: bool = False) -> bool:
        """Give the child its next task; False when there is none or no time."""
        seconds = self._deadline - time.monotonic()
        if not self._waiting or (seconds <= 0 and not always):
            return False
        child.number, task = self._waiting.pop()
        child.pipe.send((task.recipe.to_dict(), task.seed, task.protocol, task.root,
                         asdict(replace(self._how, seconds=seconds))))
        return True

    def _obituary(self, child: _Child) -> str:
        child.process.join()
        return (f"{self._labels[child.number]}: its process ended with code {child.process.exitcode}; the last "
                "finished epoch is saved, the same command goes on from there")


def processes_for(how: How) -> int:
    """As many as were asked for, else one per core."""
    return how.jobs or usable_cores()


class _Child:
    """A process, our end of its pipe, and the task it works on."""

    def __init__(self, process: Any, pipe: Connection) -> None:
        self.process, self.pipe, self.number = process, pipe, -1


class _Wire:
    """A watcher in the child that tells the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:  # noqa: ARG002
        """The task stays where it is: the parent knows it."""
        self._pipe.send(("begin", (asdict(execution), images, epochs_done)))

    def note(self, text: str) -> None:
        """As it is."""
        self._pipe.send(("note", (text,)))

    def asking(self, teacher: str, done: int, total: int) -> None:
        """As it is."""
        self._pipe.send(("asking", (teacher, done, total)))

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """As it is."""
        self._pipe.send(("batch", (epoch, images_done, loss, accuracy, rate)))

    def epoch(self, record: dict[str, Any]) -> None:
        """As it is."""
        self._pipe.send(("epoch", (record,)))


def _serve(pipe: Connection) -> None:
    """The child: train what comes through the pipe until it is closed."""
    try:
        while True:
            recipe, seed, protocol, root, settings = pipe.recv()
            task = Task(Recipe.from_dict(recipe), seed, protocol, root)
            how = How(**settings)
            deadline = time.monotonic() + how.seconds
            try:
                execution, record = plan(task, how)
                run = train(task, execution=execution, watcher=_Wire(pipe), deadline=deadline, probe=record)
            except (ValueError, MissingDataset, RunError) as error:
                pipe.send(("failed", (str(error),)))
            except RuntimeError as error:
                pipe.send(("failed", (task.failure(error),)))
            else:
                pipe.send(("finished", (run.folder,)) if run else ("unfinished", ()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


@contextmanager
def _interruptions_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: a process begun here never sees one, and this one gets it at the end.

    The new process inherits the blocked signal. Here blocking is not enough, because the signal may go to any thread,
    and ignoring is too much, because a Ctrl-C that falls into this moment would be lost; so it is noted.
    """
    resource_tracker.ensure_running()  # where it is started by a process's start, it ends the blocking too early
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, before)
    if noted:
        raise KeyboardInterrupt
