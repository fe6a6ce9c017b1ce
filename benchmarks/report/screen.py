"""Progress for people: one bar per step, on a terminal; one line per step elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class LiveScreen:
    """A rich progress display; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[said]}"), console=console, transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None, said="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        """Begin a step; the returned function moves its bar."""
        if not self._console.is_terminal:
            self._console.print(f"  {title} …", highlight=False)
        self._progress.reset(self._task, description=title, total=seconds, said="")

        def shown(said: dict[str, float]) -> None:
            failed = int(said["answered"] - said["ok"])
            trouble = f", [red]{failed} failed[/]" if failed else ""
            self._progress.update(self._task, completed=min(said["seconds"], seconds),
                                  said=f"{said['ok']:,} answered{trouble}")

        return shown
