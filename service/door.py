"""Where connections come in when workers share one listening socket: a few at a time, so that they share the clients.

uvloop accepts until nobody is left to accept. Clients that connect together, as a pool or a load balancer does, then
all end at the worker that woke first, and the others idle for as long as the connections live: of 16 connections opened
at once, 12 to 16 went to one of two workers. A door takes one and stands back for a moment, in which a neighbour that
has nothing to do takes the next; a busy one takes fewer, which no hash of addresses (SO_REUSEPORT) could know. Nor is
there a second queue, whose waiting clients would be refused when a worker ends. Where clients still wait after the
moment, nobody is idle, and every turn takes twice as many as the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import cast

import uvicorn

FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # nothing is wrong with the socket itself
PAUSE_S = 1.0    # before the next try, when there is no room for another connection
TURN_S = 0.001   # what an idle neighbour needs to wake up, and the shortest time uvloop can wait
MOST = 64        # taken in one turn, so that the requests of those inside are looked after


class Door:
    """Takes connections from `listening` and gives each a protocol of `make`, as an asyncio server does.

    Closing it leaves the connections that were taken alone.
    """

    def __init__(
        self, listening: socket.socket, make: Callable[[], asyncio.Protocol], *,
        context: ssl.SSLContext | None = None, backlog: int = 2048,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening, self._make, self._context = listening, make, context
        self._arriving: set[asyncio.Task[None]] = set()
        self._open, self._turn, self._since = True, 1, 0.0
        listening.setblocking(False)
        listening.listen(backlog)
        self._watch()

    def close(self) -> None:
        """Take no more. The socket stays open: it is whoever made it who closes it."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listening.fileno())

    async def wait_closed(self) -> None:
        """Until those who were at the door are in."""
        await asyncio.gather(*self._arriving)

    def _watch(self) -> None:
        if self._open:
            self._since = self._loop.time()
            self._loop.add_reader(self._listening.fileno(), self._take)

    def _take(self) -> None:
        if self._loop.time() - self._since > TURN_S:
            self._turn = 1  # nobody was waiting when the turn came
        pause = 0.0
        for _ in range(self._turn):
            try:
                connection, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break  # a neighbour was quicker, or the client has gone
            except OSError as error:
                if error.errno not in FULL:
                    raise
                pause = PAUSE_S  # the socket stays readable, and asking again at once would be all that is done
                break
            pause = TURN_S
            task = self._loop.create_task(self._let_in(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)
        self._turn = min(2 * self._turn, MOST)
        if pause:
            self._loop.remove_reader(self._listening.fileno())
            self._loop.call_later(pause, self._watch)

    async def _let_in(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):  # gone already, or no TLS; ssl.SSLError is one, too
            _, protocol = await self._loop.connect_accepted_socket(self._make, connection, ssl=self._context)
            if not self._open:
                protocol.shutdown()  # type: ignore[attr-defined]  # what uvicorn has told those that were in


class Server(uvicorn.Server):
    """uvicorn's, which opens a Door for each socket that it is handed."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections."""
        if sockets is None:
            await super().startup()
            return
        await super().startup(sockets=[])  # all but the listening
        config = self.config

        def make() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state,
            )

        doors = [Door(each, make, context=config.ssl, backlog=config.backlog) for each in sockets]
        self.servers = cast("list[asyncio.Server]", doors)  # they are closed and waited for, and nothing else


def share(workers: int) -> None:
    """Let a worker that has neighbours take connections one at a time. One alone takes them as uvloop does."""
    if workers > 1:
        uvicorn.Server = Server  # type: ignore[misc]  # by this name BentoML's worker finds it
