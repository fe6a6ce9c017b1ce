"""A service level objective: a percentile of the response time, and its limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

MOST_LIMIT_US = 4_000_000
UNITS = {"us": 1, "ms": 1000, "s": 1_000_000}
FORM = re.compile(r"p(?P<percentile>\d{2}(?:\.\d{1,2})?)\s*=\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<unit>us|ms|s)")


@dataclass(frozen=True)
class Slo:
    """`p99=20ms`: 99 % of the requests are answered within 20 ms of the moment they should have been sent."""

    percentile: float
    limit_us: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `p99=20ms`, `p90=500us`, `p99.9=1s`; ValueError for anything else."""
        found = FORM.fullmatch(text.strip())
        if not found or not 50 <= float(found["percentile"]) < 100:
            raise ValueError(f"{text!r} is no objective; write p99=20ms, from p50 to p99.99, in us, ms or s")
        limit = round(float(found["limit"]) * UNITS[found["unit"]])
        if limit < 1:
            raise ValueError(f"{text!r}: the limit must be above 0")
        if limit > MOST_LIMIT_US:
            raise ValueError(f"{text!r}: a limit above {MOST_LIMIT_US / 1e6:g} s cannot be weighed, because every load "
                             "would have to last for minutes, thirty times the limit; ask for a shorter one")
        return cls(float(found["percentile"]), limit)

    def among(self, dispersion: float) -> str:
        """The objective in words, with how requests come where that is not as Poisson has it."""
        return f"{self}{f' in bursts (dispersion {dispersion:g})' if dispersion != 1 else ''}"

    def __str__(self) -> str:
        return f"p{self.percentile:g} ≤ {self.limit_us / 1000:g} ms"


def arriving(asked: Mapping[str, Any]) -> str:
    """How requests come, in words, for a stored wish or question; before 2026-11-28 there was only Poisson."""
    dispersion = asked.get("dispersion", 1.0)
    return "Poisson arrivals" if dispersion == 1 else f"arrivals in bursts (dispersion {dispersion:g})"
