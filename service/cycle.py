"""One answer on its way to the socket: head and body in one write, where uvicorn makes two and two packets.

A small model's answer costs less than the second write. What is not a whole answer with its length told beforehand
goes through uvicorn's own `send`, unchanged.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

OURS_TO_LEAVE = (b"connection", b"transfer-encoding")  # uvicorn decides by these; answers with them are its own

FORBIDDEN = bytes({*range(32), 127} - set(b"\t\r\n"))


class Cycle(RequestResponseCycle):
    """A request and its answer. `send` keeps the head until the body comes, which for our answers is at once."""

    _kept: dict[str, Any] | None = None  # the message that started the answer
    _head = b""
    _length = 0

    async def send(self, message: Any) -> None:
        """Take one ASGI message."""
        kept = self._kept
        if kept is not None:
            self._kept = None
            body = message.get("body", b"")
            if message["type"] == "http.response.body" and len(body) == self._length and (
                not message.get("more_body", False) and not self.disconnected and not self.flow.write_paused
            ):
                self._finish(body)
                return
            self.response_started = False  # an answer in pieces, or a broken one: from the start, as uvicorn does it
            await super().send(kept)  # type: ignore[arg-type]  # the message that it would have got
        elif not self.response_started and self._keep(message):
            return
        await super().send(message)

    def _keep(self, message: Any) -> bool:
        """Prepare the head of an answer whose length is known; False where it is none."""
        if message["type"] != "http.response.start" or not self.keep_alive or self.scope["method"] == "HEAD":
            return False
        length = -1
        lines = [STATUS_LINE[message["status"]]]
        for name, value in (*self.default_headers, *message["headers"]):
            if name == b"content-length":
                length = int(value)
            elif name.lower() in OURS_TO_LEAVE:
                return False
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        ends = len(lines) // 4 + 2  # a header with a line break in it would be two
        if length < 0 or head.count(b"\n") != ends or head.count(b"\r") != ends or (
            len(head.translate(None, FORBIDDEN)) != len(head)
        ):
            return False
        self._kept, self._head, self._length = message, head, length
        self.response_started, self.waiting_for_100_continue = True, False
        return True

    def _finish(self, body: bytes) -> None:
        self.transport.write(self._head + body)
        self.response_complete = True
        self.message_event.set()
        self.on_response()
