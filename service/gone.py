"""Work that nobody wants any more: how it is noticed, and how a thread that does it hears of it.

A thread cannot be stopped. Work that takes long is handed an event, and looks at it between two images.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")
NEVER = threading.Event()  # of work that is done at once; nobody sets it


class Stopped(Exception):  # noqa: N818 - not an error: nobody wants the answer any more
    """The work was told to stop, and did."""


def proceed(stop: threading.Event) -> None:
    """Stopped once nobody wants the work any more."""
    if stop.is_set():
        raise Stopped


async def left(receive: Receive) -> None:
    """Ends when the client has gone, whose body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_left(result: asyncio.Future[T], receive: Receive, after_s: float = 0.0) -> T:
    """The result, or ClientDisconnect as soon as nobody waits for it; the client is looked at only `after_s` seconds.

    Whatever else ends the wait cancels the result as well.
    """
    try:
        if after_s:
            await asyncio.wait((result,), timeout=after_s)
        if not result.done():
            leaving = asyncio.create_task(left(receive))
            waiting: set[asyncio.Future[T] | asyncio.Task[None]] = {result, leaving}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
            if not result.done():
                raise ClientDisconnect
        return result.result()
    finally:
        result.cancel()
