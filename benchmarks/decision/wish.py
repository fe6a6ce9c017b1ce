"""What a decision was asked for; stored with it, so that a rerun continues only what is the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks.capacity.probe import FULL, QUICK, Effort
from benchmarks.capacity.slo import Slo

Objective = Literal["cost", "headroom"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One question: which configuration keeps the objective, is accurate enough, and bears the rate?"""

    slo: str                              # "p99=20ms"
    min_accuracy: float                   # 0 to 1
    rate: float                           # requests per second that are expected
    objective: Objective = "cost"         # cost: fewest core-seconds per prediction; headroom: highest capacity
    price_per_hour: float | None = None   # of one core, in whatever currency
    models: tuple[str, ...] = ("*",)
    runtimes: tuple[str, ...] = ()        # empty: all that work here
    threads: tuple[int, ...] = (1,)
    workers: tuple[int, ...] = (1,)
    root: str = "models"
    body: str = "png"
    seed: int = 0
    everything: bool = False              # load-test also what is too inaccurate or dominated
    screening: bool = False               # shorter and coarser on purpose

    def __post_init__(self) -> None:
        Slo.parse(self.slo)
        if not 0 <= self.min_accuracy <= 1:
            raise ValueError(f"--min-accuracy {self.min_accuracy} is not between 0 and 1")
        if not self.rate > 0:
            raise ValueError(f"--rate {self.rate} is not above 0")

    @property
    def limit(self) -> Slo:
        """The objective."""
        return Slo.parse(self.slo)

    @property
    def effort(self) -> Effort:
        """How much each probe sends."""
        return QUICK if self.screening else FULL
