"""A server that works for a few milliseconds per request, one at a time, and now and then does nothing at all.

    python -m benchmarks.stall.server --port 4000 --work 0.005 --stall 1.5 --every 10 --first 5

It stalls as real ones do (a long collection, a checkpoint, a neighbour): what arrives meanwhile waits in the socket.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time

CONTENT = b'{"predictions": [{"label": "0", "index": 0, "probability": 1.0}]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(CONTENT), CONTENT)
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Stalls:
    """Work, and a stall whenever one is due, counted from the first request for `/predict` or `/`."""

    def __init__(self, work: float, stall: float, every: float, first: float) -> None:
        self._work, self._stall, self._every = work, stall, every
        self._next, self._wait = 0.0, first

    def serve(self, *, counts: bool) -> None:
        """Take the time that one request takes. Blocks everything, on purpose."""
        now = time.monotonic()
        if counts and not self._next:
            self._next = now + self._wait
        if self._next and now >= self._next:
            self._next += self._every
            time.sleep(self._stall)
        time.sleep(self._work)


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, stalls: Stalls) -> None:
        self._stalls, self._buffer = stalls, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request, in turn."""
        self._buffer += data
        while (head := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._buffer, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < end:
                return
            ready = self._buffer.startswith(b"GET /readyz")  # asked before anything is measured
            self._buffer = self._buffer[end:]
            self._stalls.serve(counts=not ready)
            self._transport.write(ANSWER)


async def main(port: int, stalls: Stalls) -> None:
    """Serve until killed."""
    listening = await asyncio.get_running_loop().create_server(
        lambda: Connection(stalls), "127.0.0.1", port, backlog=1024)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for option in ("work", "stall", "every", "first"):
        parser.add_argument(f"--{option}", type=float, required=True, help="seconds")
    asked = parser.parse_args()
    try:
        asyncio.run(main(asked.port, Stalls(asked.work, asked.stall, asked.every, asked.first)))
    except KeyboardInterrupt:
        sys.exit(0)
