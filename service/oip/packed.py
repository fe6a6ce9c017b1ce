"""A body that was compressed on its way, unpacked in pieces that count among the bodies held: 32 KB may become 32 MB.

Each piece is unpacked on a thread and counted before the next one is, so no more than a piece for every thread is ever
there uncounted. Knows nothing of what the body says.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from service.bodies import Bodies
from service.fields import shorten
from service.problems import Problem

PIECE = 2**20      # bytes unpacked at a time
FED = 2**16        # of the packed ones at a time: what is left of them is copied after each piece
MOST_STREAMS = 256  # one after the other: each costs more than its few bytes tell
ENCODINGS = ("gzip", "deflate")
HEADER = "Content-Encoding"
Call = Callable[[Callable[[threading.Event], bytes]], Awaitable[bytes]]


class Packed:
    """What one body unpacks to: `size` bytes of it are counted in `bodies` until they are let go. Event loop only."""

    def __init__(self, bodies: Bodies) -> None:
        self.size = 0
        self._bodies = bodies

    async def unpack(self, body: bytes, encoding: str, limit: int, call: Call) -> list[bytes]:
        """The body as it was, in pieces, each of which `call` runs on a thread.

        Problem "body-too-large" beyond `limit` bytes, whatever it claims to be, and "overloaded" where the bodies of
        others leave no room for it.
        """
        if encoding not in ENCODINGS:
            raise Problem("unsupported-media-type", f"the body is encoded as {shorten(encoding)}", field=HEADER,
                          cure="use gzip or deflate, or send it as it is")
        reader, pieces = _Reader(body, encoding), list[bytes]()
        while not reader.ended:
            piece = await call(reader.read)
            if self.size + len(piece) > limit:
                raise Problem("body-too-large", f"the body has more than {limit} bytes when unpacked", limit=limit,
                              cure="send fewer images")
            self._bodies.take(self.size, len(piece))
            self.size += len(piece)
            pieces.append(piece)
        return pieces

    def let_go(self) -> None:
        """Forget it."""
        self._bodies.let_go(self.size)
        self.size = 0


class _Reader:
    """The pieces of one body, on one thread after the other."""

    def __init__(self, body: bytes, encoding: str) -> None:
        self._body, self._encoding = body, encoding
        self._fed, self._left = 0, b""
        self._reader, self._streams = _begun(), 1

    @property
    def ended(self) -> bool:
        return self._reader.eof and not self._reader.unused_data and self._fed >= len(self._body)

    def read(self, _: threading.Event) -> bytes:
        """At most PIECE bytes, and fewer only at the end; Problem where that is not whole."""
        found = bytearray()
        while len(found) < PIECE and not self.ended:
            if self._reader.eof:
                self._go_on()
            packed = self._left
            if not packed:
                packed = self._body[self._fed : self._fed + FED]
                self._fed += len(packed)
            try:
                more = self._reader.decompress(packed, PIECE - len(found))
            except zlib.error as error:
                raise Problem("bad-request", f"the body is not {self._encoding}: {error}", field=HEADER) from None
            if not packed and not more:
                raise Problem("bad-request", f"the {self._encoding} body ends before its end", field=HEADER)
            self._left = self._reader.unconsumed_tail
            found += more
        return bytes(found)

    def _go_on(self) -> None:
        """One stream may follow another (RFC 1952), and what both unpack to belongs together."""
        if self._streams == MOST_STREAMS:
            raise Problem("bad-request", f"the body is more than {MOST_STREAMS} {self._encoding} streams", field=HEADER,
                          limit=MOST_STREAMS, cure="compress it as one")
        self._left, self._reader = self._reader.unused_data, _begun()
        self._streams += 1


def _begun() -> Any:
    return zlib.decompressobj(47)  # zlib or gzip, told by the first bytes
