"""What a decision was asked for; stored with it, so that a rerun continues only what is the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from benchmarks.capacity.probe import FULL, LONGEST_PROBE, QUICK, Effort, check_dispersion, least_provable
from benchmarks.capacity.slo import Slo
from service.settings import Settings

Objective = Literal["cost", "efficiency", "energy", "headroom", "accuracy"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
DEFAULTS = Settings.read({})
USUAL = f"{DEFAULTS.max_batch}:{DEFAULTS.max_wait_ms:g}"  # how the service batches when nothing is said
MOST_PASSES = 5
MOST_REFINED = 10


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One question: which configuration keeps the objective, is accurate enough, and bears the rate?"""

    slo: str                              # "p99=20ms"
    min_accuracy: float                   # 0 to 1
    rate: float                           # requests per second that are expected
    # cost: fewest cores, which are rented whole; efficiency: fewest core-seconds per prediction at capacity, where
    # cores are many or shared; energy: fewest joules at the expected rate; headroom: highest capacity; accuracy: the
    # most accurate that bears the rate
    objective: Objective = "cost"
    price_per_hour: float | None = None   # of one core, in whatever currency
    gpu_price_per_hour: float | None = None   # of one GPU, in the same
    models: tuple[str, ...] = ("*",)
    runtimes: tuple[str, ...] = ()        # empty: all that work here
    threads: tuple[int, ...] = (1,)
    workers: tuple[int, ...] = (1,)
    devices: tuple[str, ...] = ()         # empty: cpu, and cuda where there is a GPU
    batching: tuple[str, ...] = (USUAL,)  # most images in a call[:milliseconds waited for them]
    refine: int = 0                       # how many of the best get every axis after the first pass
    passes: int = 2                       # times through all configurations, every other one in reverse
    root: str = "models"
    body: str = "png"
    seed: int = 0
    dispersion: float = 1.0               # of arrivals: 1 is Poisson, more comes in bursts
    pareto: bool = False                  # load-test also what is too inaccurate, to see the whole trade-off
    everything: bool = False              # load-test also what is dominated
    screening: bool = False               # shorter and coarser on purpose

    def __post_init__(self) -> None:
        Slo.parse(self.slo)
        if not 0 <= self.min_accuracy <= 1:
            raise ValueError(f"--min-accuracy {self.min_accuracy} is not between 0 and 1")
        if not self.rate > 0:
            raise ValueError(f"--rate {self.rate} is not above 0")
        check_dispersion(self.dispersion)
        if self.rate < (least := least_provable(self.limit, self.dispersion)):
            raise ValueError(f"--rate {self.rate:g}: even {LONGEST_PROBE:g} seconds of it prove nothing about "
                             f"p{self.limit.percentile:g}; ask for at least {math.ceil(10 * least) / 10:g}, or for a "
                             "lower percentile")
        if self.objective == "energy" and self.passes < 2:
            raise ValueError("--objective energy needs --passes 2 or more: how far they are apart is all that tells "
                             "how sure a figure of joules is")
        if self.gpu_price_per_hour is not None and self.price_per_hour is None:
            raise ValueError("--gpu-price-per-hour needs --price-per-hour of a core beside it, in the same currency")
        if not 1 <= self.passes <= MOST_PASSES:
            raise ValueError(f"--passes {self.passes} is not from 1 to {MOST_PASSES}")
        if not 0 <= self.refine <= MOST_REFINED:
            raise ValueError(f"--refine {self.refine} is not from 0 to {MOST_REFINED}")
        for policy in self.batching:
            read_policy(policy)

    @property
    def limit(self) -> Slo:
        """The objective."""
        return Slo.parse(self.slo)

    @property
    def effort(self) -> Effort:
        """How much each probe sends."""
        return replace(QUICK if self.screening else FULL, dispersion=self.dispersion)


def read_policy(text: str) -> tuple[int, float]:
    """`32`, or `32:2` for batches of up to 32 that wait 2 ms; ValueError outside of what the service allows."""
    batch, _, wait = text.partition(":")
    settings = Settings.read({"WEIGHBRIDGE_MAX_BATCH": batch or "none", "WEIGHBRIDGE_MAX_WAIT_MS": wait or "0"})
    return settings.max_batch, settings.max_wait_ms
