"""Opening a model on a runtime that it was not loaded with, for the requests that ask for it first.

It may take as long as a compiler does, so it has a thread of its own and keeps none from decoding. Whoever asks for
what is being opened waits for the same opening, for as long as a result may take; it goes on when nobody waits any
more. What is known not to work is refused at once, and not tried again before a reload. Used from the event loop only.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from service.problems import Problem
from service.settings import Settings
from service.shelf import Entry, Opened, Shelf
from service.stopwatch import Stopwatch

AGAIN_S = 1  # when to ask again for what is still being opened


class Opener:
    """The thread of one worker that opens. `waiting` requests wait for it."""

    def __init__(self, shelf: Shelf, settings: Settings) -> None:
        self.waiting = 0
        self._shelf = shelf
        self._runtime = settings.runtime
        self._timeout_s = settings.timeout_s
        self._max_waiting = settings.max_waiting
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="open")
        self._opening: dict[tuple[Entry, str], asyncio.Future[None]] = {}

    async def open(
        self, entry: Entry, runtime: str | None, watch: Stopwatch, *, deadline_ns: int | None = None
    ) -> Opened:
        """The checked graph of a ready entry on `runtime` (None: the default one), opened where it is not.

        Problem "unknown-runtime" or "runtime-unavailable" where it cannot be, "not-ready" where that takes longer than
        a result may, or than to the deadline (of perf_counter_ns), or where too many wait for it.
        """
        wanted = runtime or self._runtime
        if (known := entry.opened.get(wanted)) is not None:
            return known
        self._shelf.check(entry, wanted)
        if self.waiting >= self._max_waiting:
            raise _unready(entry, wanted)
        left_s = self._timeout_s if deadline_ns is None else (deadline_ns - time.perf_counter_ns()) / 1e9
        self.waiting += 1
        try:
            await asyncio.wait((self._begun(entry, wanted),), timeout=max(0.0, left_s))
        finally:
            self.waiting -= 1
            watch.mark("queue")
        if (opened := entry.opened.get(wanted)) is not None:
            return opened
        self._shelf.check(entry, wanted)  # each of those who waited gets a problem of its own
        raise _unready(entry, wanted)

    def close(self) -> None:
        """Drop what has not started."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begun(self, entry: Entry, runtime: str) -> asyncio.Future[None]:
        key = entry, runtime
        opening = self._opening.get(key)
        if opening is None:
            opening = asyncio.get_running_loop().run_in_executor(self._pool, self._try, entry, runtime)
            self._opening[key] = opening
            opening.add_done_callback(lambda _: self._opening.pop(key))
        return opening

    def _try(self, entry: Entry, runtime: str) -> None:
        with suppress(Problem):  # it is remembered in the entry
            self._shelf.open(entry, runtime)


def _unready(entry: Entry, runtime: str) -> Problem:
    return Problem("not-ready", f"{entry.id} is still being opened on {runtime}", field="runtime",
                   cure=f"try again in {AGAIN_S} s", retry_after_s=AGAIN_S)
