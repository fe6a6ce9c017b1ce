"""HTTP/1.1 by hand over asyncio, so that a request can be sent in any way a bad network or client would send it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

TIMEOUT = 20.0  # seconds without a whole answer are a hang


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class LostError(Exception):
    """No whole answer came; the message says what happened instead."""


class Connection:
    """One keep-alive connection, one request at a time; connects when first needed and after it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, path: str, content_type: str, body: bytes, request_id: str, *, pieces: int = 1, pause: float = 0.0
    ) -> Answer:
        """POST; the body in `pieces` with a `pause` (s) before each. LostError when no whole answer comes."""
        fresh = self._streams is None
        try:
            async with asyncio.timeout(TIMEOUT + pieces * pause):
                return await self._ask(path, content_type, body, request_id, pieces, pause)
        except TimeoutError:
            await self.close()
            raise LostError(f"no answer within {TIMEOUT:.0f} s") from None
        except (OSError, EOFError) as error:
            await self.close()
            raise LostError(f"{type(error).__name__} on a {'fresh' if fresh else 'kept'} connection") from None

    async def leave(self, path: str, content_type: str, body: bytes, share: float) -> None:
        """Send a request, but only this share of its body, and go."""
        _, writer = await self._open()
        writer.write(_head(path, content_type, len(body), "left"))
        writer.write(body[: int(len(body) * share)])
        await writer.drain()
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(
        self, path: str, content_type: str, body: bytes, request_id: str, pieces: int, pause: float
    ) -> Answer:
        reader, writer = await self._open()
        head = _head(path, content_type, len(body), request_id)
        if pieces == 1:
            writer.write(head + body)
        else:
            writer.write(head)
            size = max(1, len(body) // pieces)
            for at in range(0, len(body), size):
                await asyncio.sleep(pause)
                if reader.at_eof() or writer.is_closing():
                    break
                writer.write(body[at : at + size])
                if _answered(reader):
                    break  # refused before all of it was there
        answer = await _read(reader)
        if answer.headers.get("connection") == "close" or pieces != 1:
            await self.close()
        return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        return self._streams


def _answered(reader: asyncio.StreamReader) -> bool:
    return bool(getattr(reader, "_buffer", b""))


def _head(path: str, content_type: str, length: int, request_id: str) -> bytes:
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n"
            f"X-Request-ID: {request_id}\r\n\r\n").encode("latin-1")


async def _read(reader: asyncio.StreamReader) -> Answer:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ", 2)[1])
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return Answer(status, headers, body)
    return Answer(status, headers, await reader.readexactly(int(headers.get("content-length", 0))))
