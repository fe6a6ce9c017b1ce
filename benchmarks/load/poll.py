"""Waiting for sockets in microseconds. Made for a thread that gevent has not patched, in a process that it has.

epoll only knows milliseconds and rounds them up, so it is slept on with select, which here sees one descriptor for all
of them. Where there is no epoll, select alone does it, for as many sockets as it can.
"""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gevent.monkey import get_original  # type: ignore[import-untyped]

from benchmarks.load.wire import Address

TRY_S = 2.0  # for one address of several
READ, WRITE = 1, 4  # EPOLLIN, EPOLLOUT
UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK}


class Poll:
    """A set of sockets, by descriptor."""

    def __init__(self) -> None:
        self._select = get_original("select", "select")
        self._epoll: Any = get_original("select", "epoll")() if sys.platform == "linux" else None
        self._readers: set[int] = set()
        self._writers: set[int] = set()

    def add(self, descriptor: int) -> None:
        """From now on, tell when there is something to read."""
        if self._epoll is not None:
            self._epoll.register(descriptor, READ)
        self._readers.add(descriptor)

    def want_to_write(self, descriptor: int, wanted: bool) -> None:
        """Whether to tell as well when there is room to write."""
        if self._epoll is not None:
            self._epoll.modify(descriptor, READ | WRITE if wanted else READ)
        (self._writers.add if wanted else self._writers.discard)(descriptor)

    def remove(self, descriptor: int) -> None:
        """Before it is closed."""
        if self._epoll is not None:
            with suppress(OSError):
                self._epoll.unregister(descriptor)
        self._readers.discard(descriptor)
        self._writers.discard(descriptor)

    def ready(self, microseconds: int) -> list[int]:
        """Descriptors on which something can be done, after at most so long."""
        seconds = max(0, microseconds) / 1e6
        if self._epoll is None:
            readable, writable, _ = self._select(self._readers, self._writers, (), seconds)
            return list({*readable, *writable})
        if seconds and not self._select((self._epoll,), (), (), seconds)[0]:
            return []
        return [descriptor for descriptor, _ in self._epoll.poll(0)]

    def close(self) -> None:
        """Give the kernel its own back."""
        if self._epoll is not None:
            self._epoll.close()


def _listens(make: Callable[..., Any], found: tuple[Any, ...]) -> bool:
    family, kind, protocol, _, place = found
    with suppress(OSError), make(family, kind, protocol) as trial:
        trial.settimeout(TRY_S)
        trial.connect(place)
        return True
    return False


def opener(address: Address, timeout: float) -> Callable[[], Any]:
    """A function that begins a connection and does not wait for it. With TLS it does, so that the load counts as late.

    The name is looked up once, here: a load tests no name server. Raises OSError where there is no such name. Of
    several addresses the first counts that somebody listens at: localhost may be ::1 first.
    """
    make = get_original("socket", "socket")
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, place = next(filter(partial(_listens, make), found[:-1]), found[-1])
    context = _no_verification() if address.tls else None

    def connect() -> Any:
        fresh = make(family, kind, protocol)
        try:
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is not None:
                fresh.settimeout(timeout)
                fresh.connect(place)
                fresh = context.wrap_socket(fresh, server_hostname=address.host)
                fresh.setblocking(False)
                return fresh
            fresh.setblocking(False)
            if (code := fresh.connect_ex(place)) not in UNDER_WAY:
                raise OSError(code, errno.errorcode.get(code, str(code)))
        except OSError:
            fresh.close()
            raise
        return fresh

    return connect


def _no_verification() -> ssl.SSLContext:
    """A load carries no secrets, and test servers sign their own certificates."""
    context: ssl.SSLContext = get_original("ssl", "SSLContext")(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
