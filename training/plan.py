"""How a task will be run: what was asked for, what its saved state says, what the probe finds; in this order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from training import checkpoint
from training.execution import Execution, choose
from training.loop import Task
from training.probe import probe


@dataclass(frozen=True, kw_only=True)
class How:
    """The machine's side of a command. None: we decide. `seconds` is the time there is, `jobs` counts processes.

    `engine` is the name of one of ENGINES.
    """

    engine: str = "local"
    device: str = "auto"
    threads: int | None = None
    jobs: int | None = None
    probe: bool = True
    seconds: float = math.inf


def plan(task: Task, how: How) -> tuple[Execution, dict[str, Any] | None]:
    """The execution, and the probe's record where one was made.

    A run that goes on is not probed: `train` keeps what its state says. Raises MissingDataset, and ValueError when the
    device is not there.
    """
    base = choose(task.recipe, device=how.device, threads=how.threads)
    if not how.probe or checkpoint.saved_device(task.folder) == base.device:
        return base, None
    found = probe(task.recipe, base)
    return found.execution, found.record
