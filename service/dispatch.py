"""Where work runs: on the event loop when a thread hop would cost more than the work, else on a bounded pool.

Measured on two cores with 16 connections: a linear model answers 2,550 requests/s on the event loop and 1,500 through
a thread, while 32 images of a small convolutional net (1.5 ms) answer 620/s through threads and 370/s on the loop.

The pool has as many threads as batches may run at once; what waits for one is counted, limited and timed. A batcher
would replace `infer` here and nothing else: its caller hands over one opened model and images that already fit it,
and gets probabilities in the same order.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from service.problems import Problem
from service.settings import Settings
from service.shelf import Opened
from service.stopwatch import Stopwatch

T = TypeVar("T")


class Dispatch:
    """A pool of threads with a bounded queue. `waiting` counts what was handed to it and has not come back."""

    def __init__(self, settings: Settings) -> None:
        self.waiting = 0
        self._threads = settings.concurrency
        self._inline_s = settings.inline_ms / 1000
        self._max_waiting = settings.max_waiting
        self._timeout_s = settings.timeout_s
        self._mean_s = 0.0  # of recent jobs, for Retry-After
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="weighbridge")

    async def infer(self, opened: Opened, images: NDArray[np.uint8], watch: Stopwatch) -> NDArray[np.float32]:
        """Probabilities (n, classes) for images (n, height, width, channels)."""
        return await self.call(lambda: opened.run(images), opened.image_s * len(images), "infer", watch)

    async def call(self, work: Callable[[], T], expected_s: float, stage: str, watch: Stopwatch) -> T:
        """Run `work`; its time goes to `stage`, the wait for a thread and for the event loop to "queue".

        Problem "overloaded" when too much waits already, "answer-timeout" when the result takes too long. A thread
        cannot be stopped, so late work still ends, but nothing waits for it.
        """
        if expected_s <= self._inline_s:
            result = work()
            watch.mark(stage)
            return result
        if self.waiting >= self._max_waiting:
            raise self._overloaded()
        self.waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                result, started, ended = await asyncio.get_running_loop().run_in_executor(self._pool, _timed, work)
        except TimeoutError:
            raise Problem(
                "answer-timeout",
                f"no result after {self._timeout_s:g} s",
                limit=self._timeout_s,
                cure="send fewer images at once, or raise WEIGHBRIDGE_TIMEOUT_S on the server",
            ) from None
        finally:
            self.waiting -= 1
        self._mean_s += 0.1 * ((ended - started) / 1e9 - self._mean_s)
        watch.mark("queue", started)
        watch.mark(stage, ended)
        watch.mark("queue")
        return result

    def close(self) -> None:
        """Let running work end and drop what has not started."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _overloaded(self) -> Problem:
        drain_s = max(1, math.ceil(self.waiting * self._mean_s / self._threads))
        return Problem(
            "overloaded",
            f"{self.waiting} requests are waiting for {self._threads} threads",
            limit=self._max_waiting,
            cure=f"try again in {drain_s} s",
            retry_after_s=drain_s,
        )


def _timed(work: Callable[[], T]) -> tuple[T, int, int]:
    started = time.perf_counter_ns()
    result = work()
    return result, started, time.perf_counter_ns()
