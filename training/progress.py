"""What a person sees while training runs: one live line on a terminal, one line per epoch anywhere else."""

from __future__ import annotations

import time
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.execution import Execution, described
from training.loop import Task, Watcher
from training.runs import Run

Record: TypeAlias = dict[str, Any]


class Silent:
    """Says nothing; for tests and for use as a library."""

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def asking(self, teacher: str, done: int, total: int) -> None:
        """Nothing."""

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """Nothing."""

    def epoch(self, record: Record) -> None:
        """Nothing."""


class Lines:
    """A heading per run and a line per epoch, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._epochs = 0
        self._epochs_done = 0
        self._quarters = 0
        self._began = 0.0

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:
        """Say what runs, and from where it goes on."""
        self._epochs, self._epochs_done, self._began = task.recipe.epochs, epochs_done, time.monotonic()
        self._quarters = 0
        self._console.print(heading(task, execution, images, epochs_done))

    def note(self, text: str) -> None:
        """A line."""
        self._console.print(f"  {text}", highlight=False, markup=False)

    def asking(self, teacher: str, done: int, total: int) -> None:
        """A line for each quarter."""
        if (quarter := 4 * done // total) > self._quarters:
            self._quarters = quarter
            self._console.print(f"  {asked(teacher, done, total)}", highlight=False)

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """Nothing: lines are for epochs."""

    def epoch(self, record: Record) -> None:
        """One line with losses, accuracies, rate and time left."""
        done = record["epoch"]
        each = (time.monotonic() - self._began) / (done - self._epochs_done)
        left = clock(each * (self._epochs - done))
        self._console.print(f"  {epoch_line(record, self._epochs)}  {left} left", highlight=False)


class Live:
    """A bar over all images of a run, with running loss, accuracy, images/s and time left; epochs scroll above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            speed_estimate_period=120,  # epochs differ little, so a long memory gives a steady time left
        )
        self._bar: TaskID | None = None
        self._epochs = 0
        self._images = 0

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:
        """A new bar, filled as far as the run already is."""
        self.close()
        self._epochs, self._images = task.recipe.epochs, images
        self._progress.console.print(heading(task, execution, images, epochs_done))
        done = images * epochs_done  # from the start, or the rate would count a resumed run's past as today's work
        self._bar = self._progress.add_task(task.recipe.name, total=images * self._epochs, completed=done, facts="")
        self._progress.start()

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._progress.console.print(f"  {text}", highlight=False, markup=False)

    def asking(self, teacher: str, done: int, total: int) -> None:
        """Beside the bar, which stands still."""
        assert self._bar is not None
        self._progress.update(self._bar, facts=asked(teacher, done, total))

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """Move the bar."""
        assert self._bar is not None
        facts = f"epoch {epoch + 1}/{self._epochs}  loss {loss:.3f}  accuracy {accuracy:.2%}  {rate:,.0f} images/s"
        self._progress.update(self._bar, completed=epoch * self._images + images_done, facts=facts)

    def epoch(self, record: Record) -> None:
        """Leave the epoch's line above the bar; take the bar away after the last."""
        assert self._bar is not None
        self._progress.update(self._bar, completed=record["epoch"] * self._images)
        self._progress.console.print(f"  {epoch_line(record, self._epochs)}", highlight=False)
        if record["epoch"] == self._epochs:
            self.close()

    def close(self) -> None:
        """Give the terminal back; also after an interruption."""
        if self._bar is not None:
            self._progress.stop()
            self._progress.remove_task(self._bar)
            self._bar = None


def heading(task: Task, execution: Execution, images: int, epochs_done: int) -> str:
    """One line that says what runs, how, and from where."""
    where = "from the start" if not epochs_done else f"resumed after epoch {epochs_done}"
    return (
        f"[bold]{task.recipe.name}[/] seed {task.seed} ({task.protocol}): {task.recipe.epochs} epochs of {images:,} "
        f"{task.recipe.dataset} images, {execution.device}, {described(execution)}, "
        f"{execution.threads} threads; {where}"
    )


def asked(teacher: str, done: int, total: int) -> str:
    """How far a teacher is with its answers, for people."""
    return f"{teacher} answers: {done:,} of {total:,} images"


def epoch_line(record: Record, epochs: int) -> str:
    """An epoch's history line for people."""
    train, watched = record["train"], record["watched"]
    name = "validation" if watched["split"] == "held-out" else "test"
    return (
        f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  train loss {train['loss']:.4f} "
        f"accuracy {train['accuracy']:.2%}  {name} loss {watched['loss']:.4f} accuracy {watched['accuracy']:.2%}  "
        f"{record['images_per_s']:,.0f} images/s"
    )


def summary(run: Run) -> str:
    """A complete run's figures for people."""
    validation, test = run.result["validation"], run.result["test"]
    parts = [f"validation {validation['accuracy']:.2%}"] if validation else []
    parts.append(f"test {test['accuracy']:.2%} of {test['count']:,}")
    return f"{', '.join(parts)}, {clock(run.result['wall_s'])}, {run.result['images_per_s']:,.0f} images/s"


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def watcher_for(console: Console) -> Watcher:
    """Live on a terminal, Lines elsewhere."""
    return Live(console) if console.is_terminal else Lines(console)
