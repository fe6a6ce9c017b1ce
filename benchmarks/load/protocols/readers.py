"""Which function reads a protocol's answers."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.load.protocols import oip, weighbridge
from benchmarks.load.protocols.protocol import Protocol
from benchmarks.load.wire import Reply

Reader = Callable[[Reply], int]
READERS: dict[str, Callable[[Protocol], Reader]] = {
    "weighbridge": lambda _: weighbridge.read,
    "oip": lambda protocol: oip.reader(protocol.output, protocol.classes),
}


def reader_of(protocol: Protocol) -> Reader:
    """The reader; ValueError where a folder names a protocol that this release does not know."""
    try:
        return READERS[protocol.name](protocol)
    except KeyError:
        raise ValueError(f"unknown protocol {protocol.name!r}; known are {', '.join(READERS)}") from None
