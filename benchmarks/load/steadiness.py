"""When a server is warm: three windows of answers in a row, and the three before them, cannot be told apart.

A window is at least `WINDOW` long and holds at least `LEAST` answers; of each, only the median response time is kept.
The two groups count as alike when the middle ones differ by at most 10 %, or when the ranges of the two groups overlap.
Where nothing drifts, chance keeps two groups of three apart in one of ten looks, so a warm server is soon found warm;
a server that is still getting faster, or a queue that is growing, keeps them apart at every look.
"""

from __future__ import annotations

import statistics
from typing import Any

WINDOW = 150_000   # microseconds
LEAST = 10         # answers
GROUP = 3          # windows
ALIKE = 1.10


class Steadiness:
    """Takes every answer of the warm-up, in the order they come. `limit_us`: response times above it are hopeless."""

    def __init__(self, limit_us: int | None = None) -> None:
        self._limit = limit_us
        self._medians: list[float] = []
        self._window: list[int] = []
        self._since = 0

    def add(self, done: int, response: int) -> None:
        """An answer that came `done` microseconds after the start and took `response`."""
        self._window.append(response)
        if len(self._window) >= LEAST and done - self._since >= WINDOW:
            self._medians.append(statistics.median(self._window))
            self._window, self._since = [], done

    @property
    def steady(self) -> bool | None:
        """Whether the last two groups are alike; None while there are too few windows to tell."""
        if len(self._medians) < 2 * GROUP:
            return None
        before, last = sorted(self._medians[-2 * GROUP:-GROUP]), sorted(self._medians[-GROUP:])
        middle = sorted((before[GROUP // 2], last[GROUP // 2]))
        return middle[1] <= ALIKE * middle[0] or (before[0] <= last[-1] and last[0] <= before[-1])

    @property
    def hopeless(self) -> bool:
        """Beyond the limit and rising: waiting longer only makes the queue longer."""
        last = self._medians[-GROUP:]
        return self._limit is not None and len(last) == GROUP and last == sorted(last) and last[0] > self._limit

    @property
    def windows(self) -> list[float]:
        """Medians in microseconds."""
        return list(self._medians)

    def account(self, ended: float) -> dict[str, Any]:
        """For the load's facts; `ended` is when the warm-up did, in microseconds."""
        steady = False if self.hopeless else self.steady
        return {"seconds": ended / 1e6, "steady": steady, "windows_us": self.windows[-40:]}
