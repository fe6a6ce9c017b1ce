"""Where a server is, and whether that is the very machine that sends the load."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import psutil

from benchmarks.load.wire import Address


def checked(url: str) -> str:
    """The address without a slash at its end; ValueError for what is none, or holds more than an address."""
    parts = urlsplit(url)
    try:
        Address.parse(url)
    except ValueError as error:
        raise ValueError(f"{url!r} is no address; write http://host:port") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address with a password in it would be stored in the result; put an API key into "
                         "WEIGHBRIDGE_API_KEY")
    if parts.query or parts.fragment or not url.isascii() or any(part.isspace() for part in url):
        raise ValueError(f"{url!r} is more than an address; write http://host:port, or http://host:port/prefix")
    return url.rstrip("/")


def is_here(url: str) -> bool | None:
    """Whether the address is one of this machine; None where its name cannot be resolved.

    False proves little: two containers, or two virtual machines, may share their cores.
    """
    host = Address.parse(url).host
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return None
    own = {address.address.split("%")[0] for known in psutil.net_if_addrs().values() for address in known}
    return any(address in own or str(address).startswith("127.") for address in found)
