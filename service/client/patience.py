"""When to ask again: only after 503, only as the server says, and never beyond what the caller will wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from service.client.errors import retry_after_s

FIRST_S = 0.1  # backoff where the server does not say how long: 0.1 s, doubled each time, a random part of it
LASTING = b"problem:not-ready"  # without Retry-After: the model failed its checks, and will not pass them by itself
JITTER = 0.1   # clients that were refused together must not come back together


@dataclass(frozen=True, kw_only=True)
class Retries:
    """At most `attempts` requests per call, within `deadline_s` seconds in all.

    A server that asks to wait longer than `cap_s`, or beyond the deadline, is not asked again: the call fails at once
    with what the server said, so that the caller can decide.
    """

    attempts: int = 5
    cap_s: float = 10.0
    deadline_s: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.cap_s < 0 or not self.deadline_s > 0:
            raise ValueError(f"attempts must be at least 1, cap_s not negative, deadline_s above 0: {self}")


class Patience:
    """The patience of one call, which is used up."""

    def __init__(self, retries: Retries, clock: Callable[[], float] = time.monotonic) -> None:
        self._retries = retries
        self._clock = clock
        self._ends = clock() + retries.deadline_s
        self._made = 0

    def left_s(self) -> float:
        """Seconds to the deadline; a little more than none, since a timeout of none means something else."""
        return max(0.001, self._ends - self._clock())

    def pause_s(self, response: httpx.Response) -> float | None:
        """How long to wait before the next attempt; None when this answer is the one to go with."""
        self._made += 1
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or self._made >= self._retries.attempts:
            return None
        asked = retry_after_s(response)
        if asked is None and LASTING in response.content:
            return None
        if asked is None:
            pause = min(self._retries.cap_s, FIRST_S * 2.0 ** (self._made - 1)) * random.random()  # noqa: S311
        elif asked > self._retries.cap_s:
            return None
        else:
            pause = asked * (1 + JITTER * random.random())  # noqa: S311 - spreads clients, hides nothing
        return pause if self._clock() + pause < self._ends else None
