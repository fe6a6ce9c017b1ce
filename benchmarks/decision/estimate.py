"""How long a decision takes: told before it starts, and again whenever a configuration's turn comes."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.decision.wish import Wish

BEFORE = 25.0          # seconds for calibration and the micro-benchmarks of one runtime
START = 6.0            # of a server, until it is ready and warm
AUDIT = 10.0           # against caching, and one request at a time
OVERHEAD = 2.0         # of every load, around what it sends
SERVING_US = 700.0     # per request around the bare runtime; where the search will end
KEPT, MISSED = 6, 5    # probes of a search that keep the objective, and that end early because they cannot
MISSED_SHARE = 0.4     # of a whole probe, until that is clear
AGAIN = 3              # full loads of every later pass: both ends of the bracket, and the expected rate


def seconds_for(entry: dict[str, Any], wish: Wish, number: int) -> float:
    """About how long the number-th pass (from 1) over a configuration takes."""
    forward = float(entry["forward_us"]["p50"]) if entry["forward_us"] else SERVING_US
    likely = float(entry["workers"]) * 1e6 / (SERVING_US + forward)
    effort = wish.effort
    probe = effort.lasting(wish.limit, likely) + effort.warmup + OVERHEAD
    last = 2 if number == wish.passes else 0   # half and nine tenths of the capacity
    if number > 1:
        return START + (AGAIN + last) * probe
    return START + AUDIT + (KEPT + 1 + last + (2 if wish.passes == 1 else 0)) * probe + MISSED * MISSED_SHARE * probe


def estimated(configurations: int, wish: Wish) -> float:
    """Seconds in all before anything is known about any model; what gets dropped on the way only shortens it."""
    unknown = {"forward_us": None, "workers": 1}
    each = sum(seconds_for(unknown, wish, number) for number in range(1, wish.passes + 1))
    return BEFORE * len(wish.runtimes or (1,)) * len(wish.threads) + configurations * each


def minutes(seconds: float) -> str:
    """`about 4 min`."""
    return "about a minute" if seconds < 90 else f"about {math.ceil(seconds / 60)} min"


class Progress:
    """Counts through the turns whose estimates it was given, and corrects those to come by those that are over."""

    def __init__(self, estimates: Sequence[float]) -> None:
        self._estimates = estimates
        self._begun = time.monotonic()
        self._turn = 0

    def begin(self) -> str:
        """`3 of 8, about 9 min left`, as the next turn begins."""
        over = sum(self._estimates[:self._turn])
        pace = (time.monotonic() - self._begun) / over if over else 1.0
        self._turn += 1
        rest = pace * sum(self._estimates[self._turn - 1:])
        return f"{self._turn} of {len(self._estimates)}, {minutes(rest)} left"
