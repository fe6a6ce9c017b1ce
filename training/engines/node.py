"""What a node of a cluster does with one task: train it in a scratch folder, and hand over everything worth keeping.

Knows nothing of Ray, and of the head only what it is given: the state to go on from, and who listens.
"""

from __future__ import annotations

import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from training.checkpoint import STATE_FILE
from training.datasets import MissingDataset
from training.execution import Execution
from training.loop import Task, train
from training.plan import How, plan
from training.recipe import Recipe
from training.runs import HISTORY_FILE, RESULT_FILE, WEIGHTS_FILE, RunError

TELL_EVERY_S = 1.0  # a head that listens to hundreds of runs needs no more
Files = dict[str, bytes]
Told = tuple[str, tuple[Any, ...], Files]  # an event, its content, and files of the run as they are now
LAST = ("finished", "unfinished", "failed")


def work(
    recipe: dict[str, Any], seed: int, protocol: str, settings: dict[str, Any], state: bytes | None, ends: float
) -> Iterator[Told]:
    """Train one task from `state` on and tell how it goes, the last event being one of LAST.

    `ends` is the time of time.time() when no more time is left. `epoch` brings the state to go on from, `finished` the
    whole run.
    """
    told: SimpleQueue[Told | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            told.put(_trained(recipe, seed, protocol, settings, state, ends, told))
        except (ValueError, MissingDataset, RunError) as error:
            told.put(("failed", (f"on {platform.node()}: {error}",), {}))
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody sees it
            told.put(error)

    threading.Thread(target=run, daemon=True).start()
    while True:
        item = told.get()
        if isinstance(item, BaseException):
            raise item
        yield item
        if item[0] in LAST:
            return


def _trained(
    recipe: dict[str, Any], seed: int, protocol: str, settings: dict[str, Any], state: bytes | None, ends: float,
    told: SimpleQueue[Told | BaseException],
) -> Told:
    how = How(**settings)
    with tempfile.TemporaryDirectory(prefix="weighbridge-", ignore_cleanup_errors=True) as root:
        task = Task(Recipe.from_dict(recipe), seed, protocol, Path(root))
        if state is not None:
            task.folder.mkdir(parents=True)
            (task.folder / STATE_FILE).write_bytes(state)
        how = replace(how, seconds=ends - time.time())
        deadline = time.monotonic() + how.seconds
        execution, record = plan(task, how)
        run = train(task, execution=execution, watcher=_Wire(told, task.folder), deadline=deadline, probe=record)
        if run is None:
            return "unfinished", (), {}
        return "finished", (), _read(task.folder, HISTORY_FILE, WEIGHTS_FILE, RESULT_FILE)


class _Wire:
    """A watcher that tells the head."""

    def __init__(self, told: SimpleQueue[Told | BaseException], folder: Path) -> None:
        self._told, self._folder, self._at = told, folder, 0.0

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:  # noqa: ARG002
        """The task stays where it is: the head knows it."""
        self._told.put(("begin", (asdict(execution), images, epochs_done), {}))

    def note(self, text: str) -> None:
        """As it is."""
        self._told.put(("note", (text,), {}))

    def asking(self, teacher: str, done: int, total: int) -> None:
        """Nothing: who learns from another network is trained where that lies."""

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """As it is, but not so often."""
        if (now := time.monotonic()) - self._at > TELL_EVERY_S:
            self._at = now
            self._told.put(("batch", (epoch, images_done, loss, accuracy, rate), {}))

    def epoch(self, record: dict[str, Any]) -> None:
        """As it is, with what the next epoch needs."""
        self._told.put(("epoch", (record,), _read(self._folder, STATE_FILE, HISTORY_FILE)))


def _read(folder: Path, *names: str) -> Files:
    return {name: (folder / name).read_bytes() for name in names}
