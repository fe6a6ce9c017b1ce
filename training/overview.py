"""Many runs in one picture: a bar over all epochs of all runs, and under it a bar for each run that is on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.execution import Execution, described
from training.loop import Task
from training.progress import Record, asked


class Overview:
    """On a terminal bars, elsewhere a line per run. `watcher(task)` is who a run tells how it goes on."""

    def __init__(self, console: Console, tasks: Sequence[Task]) -> None:
        self._console = console
        self._runs, self._ended = len(tasks), 0
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            speed_estimate_period=600,  # runs differ, so look at many epochs
            disable=not console.is_terminal,
        )
        epochs = sum(task.recipe.epochs for task in tasks)
        self._all = self._progress.add_task("all", total=epochs, facts=self._facts())
        self._progress.start()

    def watcher(self, task: Task) -> Row:
        """A row of its own for a run that begins."""
        return Row(self, self._progress, task)

    def advance(self, epochs: float) -> None:
        """Move the bar over all runs."""
        self._progress.advance(self._all, epochs)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._progress.console.print(line, highlight=False)

    def remark(self, line: str) -> None:
        """What bars show by themselves, as a line where there are none."""
        if not self._console.is_terminal:
            self.say(line)

    def end(self, line: str) -> None:
        """A run has ended: count it and say how."""
        self._ended += 1
        self._progress.update(self._all, facts=self._facts())
        self.say(f"{self._ended:>{len(str(self._runs))}}/{self._runs}  {line}")

    def stop(self) -> None:
        """Give the terminal back; also after an interruption."""
        self._progress.stop()

    def _facts(self) -> str:
        return f"{self._ended} of {self._runs} runs"


class Row:
    """One run's bar. It disappears with the run."""

    def __init__(self, overview: Overview, progress: Progress, task: Task) -> None:
        self._overview, self._progress = overview, progress
        self._epochs, self._images, self._done = task.recipe.epochs, 1, 0.0
        self._bar: TaskID | None = None
        self._asking = False

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:
        """Show the run, filled as far as it already is."""
        self._images, self._done = images, 0.0
        label = f"{task.recipe.name} {task.seed} {task.protocol}"
        self._bar = self._progress.add_task(label, total=self._epochs, facts=described(execution))
        self._move(epochs_done)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self._overview.say(text)

    def asking(self, teacher: str, done: int, total: int) -> None:
        """Beside the bar, which stands still; elsewhere than on a terminal once, in a line."""
        if not self._asking:
            self._asking = True
            self._overview.remark(f"{teacher} answers {total:,} training images, once for all who learn from it")
        if self._bar is not None:
            self._progress.update(self._bar, facts=asked(teacher, done, total))

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """Move both bars."""
        facts = f"loss {loss:.3f}  accuracy {accuracy:.2%}  {rate:,.0f} images/s"
        self._move(epoch + images_done / self._images, facts)

    def epoch(self, record: Record) -> None:
        """Move both bars; take this one away after the last epoch."""
        self._move(record["epoch"])
        if record["epoch"] == self._epochs:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._progress.remove_task(self._bar)
            self._bar = None

    def withdraw(self) -> None:
        """Take the bar away, and what the run had done off the bar over all: it will be told again."""
        self._move(0)
        self.close()

    def _move(self, epochs: float, facts: str | None = None) -> None:
        if self._bar is None:
            return
        self._progress.update(self._bar, completed=round(epochs, 2))
        if facts:
            self._progress.update(self._bar, facts=facts)
        self._overview.advance(epochs - self._done)
        self._done = epochs
