"""What a campaign asks of an engine: to work off its tasks, and to tell what happens."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol

Event = tuple[int, str, tuple[Any, ...]]  # the task's number, what happened, with what


class Engine(Protocol):
    """Tasks somewhere else. Leaving the context ends whatever it started, also after an interruption.

    Events are `begin`, `asking`, `batch` and `epoch` as a watcher is told them, then `finished` with the run's folder,
    `unfinished` when time was up, or `failed` with the reason. `lost` says why a task has to begin again from what was
    saved of it; its next event is another `begin`. `note` is a sentence that names whatever it is about; its number
    means nothing.
    """

    def __enter__(self) -> Engine:
        """Nothing has begun yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Leave nothing behind."""

    @property
    def waiting(self) -> int:
        """Tasks that nobody has begun."""

    def events(self) -> Iterator[Event]:
        """What happens, until all tasks are done or time is up."""
