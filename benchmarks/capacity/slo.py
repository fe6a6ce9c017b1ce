"""A service level objective: a percentile of the response time, and its limit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

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
        return cls(float(found["percentile"]), limit)

    def __str__(self) -> str:
        return f"p{self.percentile:g} ≤ {self.limit_us / 1000:g} ms"
