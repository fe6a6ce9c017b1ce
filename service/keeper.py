"""Keeps one worker's shelf as its folders are and as the operators wish; a task beside the requests.

Every POLL_S it looks whether another worker was told something (one `stat`), and every `watch_s` at the folders. The
work itself, hashing, opening and checking, is done in a thread, and requests go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import time
from collections.abc import Callable

from service.control import Control, Wish
from service.problems import Problem
from service.routebook import RouteBook
from service.settings import Settings
from service.shelf import STILL_LOADING, Shelf
from service.trouble import Trouble

POLL_S = 0.1
DRAIN_S = 5.0  # an evaluation may hold a model for minutes; nobody waits for that


class Keeper:
    """`ask` is what the API calls, `run` the task. `changed`, called on the event loop while a model leaves, should let
    go of what is remembered of it."""

    def __init__(self, settings: Settings, shelf: Shelf, book: RouteBook) -> None:
        self.settings = settings
        self.control = Control(settings)
        self._shelf = shelf
        self._book = book
        self.changed: Callable[[], None] = lambda: None
        self._applied = 0
        self._one = asyncio.Lock()

    def load(self) -> None:
        """The first load of a worker, which may have replaced one that died after a wish. Blocks."""
        self.control.tidy()
        wish = self.control.read()
        self._book.read()
        self._shelf.load(wish.unwanted)
        self._applied = wish.generation
        self.control.applied(wish.generation)

    async def run(self) -> None:
        """Until cancelled."""
        looked, leaving, trouble = time.monotonic(), False, Trouble("looking at the models")
        while True:
            await asyncio.sleep(POLL_S)
            if not self._shelf.loaded:
                continue
            try:
                watched = self.settings.watch_s and time.monotonic() - looked >= self.settings.watch_s
                if watched or self.control.read().generation != self._applied:
                    await self._apply()
                    looked = time.monotonic()
                trouble.over()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
                trouble.tell(error)
            self.changed()
            if leaving and not self._shelf.leaving:
                await asyncio.to_thread(_give_back)
            leaving = self._shelf.leaving > 0

    async def ask(self, change: Callable[[Wish], Wish]) -> None:
        """Change the wish and carry it out; ends when every worker has, and what left this one is in use no more.

        Problem "answer-timeout" when a worker takes longer than `timeout_s`; it carries the wish out all the same.
        """
        if not self._shelf.loaded:
            raise Problem("not-ready", STILL_LOADING, retry_after_s=1)
        with self.control.changing() as wish:
            wish = change(wish)
            self.control.write(wish)
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                await self._apply()
                while self.control.behind(wish.generation):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Problem("answer-timeout", f"not every worker was done after {self.settings.timeout_s:g} s",
                          limit=self.settings.timeout_s, cure="it goes on; GET /models tells how far it is") from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(DRAIN_S, self.settings.timeout_s)):
                while self._shelf.leaving:
                    self.changed()
                    await asyncio.sleep(0.01)
        await asyncio.to_thread(_give_back)

    async def _apply(self) -> None:
        async with self._one:
            wish = self.control.read()
            await asyncio.to_thread(self._refresh, wish)
            self._applied = wish.generation
            self.control.applied(wish.generation)

    def _refresh(self, wish: Wish) -> None:
        self._book.read()
        if wish.generation != self._applied:  # asked for, and no mere look at the folders
            self._shelf.forgive()
        self._shelf.refresh(wish.unwanted, wish.forced(self._applied))


def _give_back() -> None:
    """Return the memory of closed sessions to the machine; glibc would keep it for later."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
