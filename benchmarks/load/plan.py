"""What one load does, decided before it starts and stored beside its rows: enough to send it again."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One load against one model. Open loads have a `rate`, closed ones `connections` that wait for each other."""

    name: str                                            # "closed", "single", "open-50": file name and row key
    model: str                                           # name@version, as the server is asked for it
    arrival: Literal["poisson", "constant", "gamma", "closed"]
    seconds: float                                       # measured, after the warm-up
    warmup: float = 1.0                                  # seconds before anything counts, at least
    warmup_most: float | None = None                     # goes on until steady, but no longer; None: not at all
    rate: float | None = None                            # requests per second; open only
    dispersion: float = 1.0                              # how unevenly requests come; "gamma" only
    utilisation: float | None = None                     # rate / measured capacity, where it was chosen so
    connections: int = 1                                 # closed only
    at_least: int = 0                                    # closed only: goes on for so many, but not past `latest_end`
    seed: int = 0
    timeout: float = 10.0                                # seconds for one answer
    pool: int = 512                                      # requests in flight; what exceeds it is dropped and counted
    path: str = "/predict"
    limit_us: int | None = None                          # a response time above it misses the objective
    most_over: int | None = None                         # open only: with more misses than this, sending stops
    same_image: bool = False                             # every request carries one and the same body

    def __post_init__(self) -> None:
        if self.arrival != "closed" and not self.rate:
            raise ValueError(f"load {self.name!r}: {self.arrival} arrivals need a rate")
        if (self.arrival == "gamma") != (self.dispersion != 1):
            raise ValueError(f"load {self.name!r}: {self.arrival} arrivals have no dispersion of {self.dispersion:g}")

    @property
    def longest_warmup(self) -> float:
        """Seconds."""
        return max(self.warmup, self.warmup_most or 0.0)

    @property
    def latest_end(self) -> float:
        """Seconds after which nothing is sent any more, whatever a slow server still owes."""
        return self.longest_warmup + self.seconds * (10 if self.at_least else 1)

    def share(self, index: int, of: int) -> Plan:
        """The part that one of several generators sends: Poisson streams of their own add up to one of the whole rate.

        Constant arrivals add up to the rate as well, but no longer come at even distances. Sending on after the
        objective is lost cannot be helped: nobody knows what the others have missed.
        """
        if of == 1:
            return self
        if self.arrival == "gamma":
            raise ValueError(f"load {self.name!r}: bursts of several generators would even each other out; send them "
                             "from one")
        if self.arrival == "closed" and self.connections < of:
            raise ValueError(f"load {self.name!r}: {self.connections} connections cannot be split among {of} workers")
        seed = int(np.random.SeedSequence((self.seed, of, index)).generate_state(1)[0])
        return replace(
            self, seed=seed, rate=self.rate and self.rate / of, pool=math.ceil(self.pool / of), most_over=None,
            connections=self.connections // of + (index < self.connections % of),
            at_least=math.ceil(self.at_least / of),
        )


@dataclass(frozen=True, kw_only=True)
class Order:
    """A plan plus where this run of it happens; the child process reads it from a file."""

    plan: Plan
    host: str        # http://127.0.0.1:3000
    payloads: Path   # what benchmarks.load.payloads.write_payloads stored
    rows: Path       # where the raw rows go (.npz)
    facts: Path      # where the generator's account of itself goes (.json), written last


def write_order(path: Path, order: Order) -> None:
    """Store an order for the child."""
    path.write_text(json.dumps(asdict(order), default=str, indent=2))


def read_order(path: Path) -> Order:
    """Read what `write_order` stored."""
    raw: dict[str, Any] = json.loads(path.read_text())
    return Order(
        plan=Plan(**raw["plan"]),
        host=raw["host"],
        payloads=Path(raw["payloads"]),
        rows=Path(raw["rows"]),
        facts=Path(raw["facts"]),
    )
