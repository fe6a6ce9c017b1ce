"""What is asked: whether a server bears a rate, or how much it bears, within an objective."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchmarks.capacity.probe import FULL, LONGEST_PROBE, QUICK, Effort, check_dispersion, least_provable
from benchmarks.capacity.slo import Slo
from benchmarks.elsewhere.address import checked
from benchmarks.load.protocols.tensor import SCALE

ONLY_OIP = ("tensor", "scale", "mean", "std", "output_tensor")


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything that decides about the loads; ValueError names the option that cannot be."""

    url: str
    slo: str
    rate: float | None = None                 # requests per second that are expected; None: only how much
    protocol: str = "weighbridge"
    model: str | None = None                  # name, or name@version; None: the server's default
    split: str | None = None                  # None: the one that fits
    root: str = "models"
    body: str | None = None                   # weighbridge: how images travel; None: png
    tensor: str | None = None                 # oip: binary (as None) or json
    scale: float | None = None                # oip, for tensors of floats: pixel × scale − mean, divided by std
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output_tensor: str | None = None          # oip: which output holds the classes; None: the first
    seed: int = 0
    dispersion: float = 1.0                   # of arrivals: 1 is Poisson, more comes in bursts
    screening: bool = False

    def __post_init__(self) -> None:
        checked(self.url)
        slo = Slo.parse(self.slo)
        check_dispersion(self.dispersion)
        if self.rate is not None and self.rate < (least := least_provable(slo, self.dispersion)):
            raise ValueError(f"--rate {self.rate:g}: even {LONGEST_PROBE:g} seconds of it prove nothing about "
                             f"p{slo.percentile:g}; ask for at least {math.ceil(10 * least) / 10:g}, or for a lower "
                             "percentile")
        if self.protocol == "oip" and self.body is not None:
            raise ValueError("--body is for --protocol weighbridge; tensors travel as --tensor says")
        for name in ONLY_OIP if self.protocol == "weighbridge" else ():
            if getattr(self, name) is not None:
                raise ValueError(f"--{name.replace('_', '-')} is for --protocol oip")
        if self.protocol == "oip" and not self.model:
            raise ValueError("--protocol oip needs --model NAME: that protocol knows no default model")
        if 0 in (self.std or ()):
            raise ValueError("--std 0: nothing can be divided by it")

    @property
    def limit(self) -> Slo:
        """The objective."""
        return Slo.parse(self.slo)

    @property
    def effort(self) -> Effort:
        """How much a probe sends."""
        return replace(QUICK if self.screening else FULL, dispersion=self.dispersion)

    @property
    def floats(self) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
        """Scale, mean and standard deviation."""
        return SCALE if self.scale is None else self.scale, self.mean or (0.0,), self.std or (1.0,)
