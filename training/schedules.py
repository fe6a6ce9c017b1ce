"""How the learning rate moves: a factor on the recipe's `lr`, from the steps done and the losses observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """`factor` is asked before every step; `observe` is told the watched loss after every epoch."""

    state: dict[str, float]  # everything a resumed run must get back

    def factor(self, done: float) -> float:
        """What to multiply `lr` with when the share `done` (0..1) of all steps is behind."""

    def observe(self, loss: float) -> None:
        """The loss on the watched split after an epoch."""


class Constant:
    """The same learning rate throughout."""

    def __init__(self) -> None:
        self.state: dict[str, float] = {}

    def factor(self, done: float) -> float:  # noqa: ARG002
        """Always 1."""
        return 1.0

    def observe(self, loss: float) -> None:
        """Nothing to do."""


@dataclass
class OneCycle:
    """Up in a straight line for the share `warmup` of the steps, then down to 0 in another.

    After Smith and Topin, arXiv 1708.07120; straight lines and no second phase, as in the airbench and hlb scripts.
    """

    warmup: float = 0.25
    start: float = 0.1

    def __post_init__(self) -> None:
        self.state: dict[str, float] = {}

    def factor(self, done: float) -> float:
        """From `start` up to 1 and down to 0."""
        if done < self.warmup:
            return self.start + (1 - self.start) * done / self.warmup
        return (1 - done) / (1 - self.warmup)

    def observe(self, loss: float) -> None:
        """Nothing to do."""


@dataclass
class Plateau:
    """Multiply by `factor` after more than `patience` epochs without a relative gain of `threshold`.

    The rule of torch's ReduceLROnPlateau(mode="min", threshold_mode="rel"), with its state in the open.
    """

    patience: int
    threshold: float
    factor_down: float

    def __init__(self, patience: int = 10, threshold: float = 1e-4, factor: float = 0.1) -> None:
        self.patience, self.threshold, self.factor_down = patience, threshold, factor
        self.state: dict[str, float] = {"best": float("inf"), "bad_epochs": 0.0, "factor": 1.0}

    def factor(self, done: float) -> float:  # noqa: ARG002
        """What the observations left."""
        return self.state["factor"]

    def observe(self, loss: float) -> None:
        """Count an epoch as good or bad, and step down when there were too many bad ones."""
        if loss < self.state["best"] * (1 - self.threshold):
            self.state.update(best=loss, bad_epochs=0.0)
            return
        self.state["bad_epochs"] += 1
        if self.state["bad_epochs"] > self.patience:
            self.state.update(bad_epochs=0.0, factor=self.state["factor"] * self.factor_down)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "one-cycle": OneCycle,
    "plateau": Plateau,
}
