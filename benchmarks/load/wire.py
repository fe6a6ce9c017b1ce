"""HTTP/1.1 as a load generator needs it: requests as bytes made long before they are sent, replies taken from bytes.

Knows nothing of sockets or clocks. A general client builds headers, cookies and objects for every request; that took
six times as long as everything else the generator does, and made it late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


class ReplyError(ValueError):
    """What arrived is no HTTP reply; the message shows its beginning."""


@dataclass(frozen=True)
class Address:
    """Where requests go."""

    host: str
    port: int
    tls: bool
    prefix: str   # path before that of the plan; "" for most

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `http://host:port` or `https://host`; ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address; write http://host:port")
        tls = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole reply."""

    status: int
    head: bytes
    body: bytes
    closes: bool   # the server wants this connection to end


def head_of(address: Address, path: str, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Everything of a POST before the length of its body; `headers` are further ones."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return (f"POST {address.prefix}{path} HTTP/1.1\r\nHost: {host}:{address.port}\r\nAccept-Encoding: identity\r\n"
            f"{more}Content-Type: {content_type}\r\nContent-Length: ").encode("ascii")


def bearer(key: str | None) -> dict[str, str]:
    """The header that shows an API key, for servers that want one. The service's client would bring httpx with it."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def request(head: bytes, body: bytes) -> bytes:
    """One request, whole; `head` comes from `head_of`."""
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


def parse(data: bytes, *, ended: bool = False) -> Reply | None:
    """The reply in `data`, None while some of it is missing; `ended`: the server has closed, nothing more will come.

    Raises ReplyError where it can never become one.
    """
    end = data.find(HEAD_END)
    if end < 0:
        if ended or (data and not data.startswith(b"HTTP/"[: len(data)])):
            raise ReplyError(f"no HTTP reply: {data[:60]!r}")
        return None
    try:
        version, status = data[:8], int(data[9:12])
    except ValueError:
        raise ReplyError(f"no HTTP reply: {data[:60]!r}") from None
    if 100 <= status < 200:  # an interim reply; the real one follows
        return parse(data[end + 4:], ended=ended) if len(data) > end + 4 else None
    head, start = data[: end + 2], end + 4
    closes = version == b"HTTP/1.0" or CLOSES.search(head) is not None
    if length := LENGTH.search(head):
        stop = start + int(length[1])
        if len(data) < stop:
            if ended:
                raise ReplyError(f"the reply ended after {len(data) - start} of {stop - start} bytes")
            return None
        return Reply(status, head, data[start:stop], closes)
    if CHUNKED.search(head):
        body = _unchunked(data, start)
        if body is None and ended:
            raise ReplyError("the reply ended within a chunk")
        return None if body is None else Reply(status, head, body, closes)
    if status in (204, 304):
        return Reply(status, head, b"", closes)
    return Reply(status, head, data[start:], True) if ended else None


def field(head: bytes, name: str) -> str:
    """The value of a header field, "" where it is missing."""
    found = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r]*)", head, re.IGNORECASE)
    return found[1].decode("latin-1").strip() if found else ""


def _unchunked(data: bytes, at: int) -> bytes | None:
    parts: list[bytes] = []
    while (line := data.find(b"\r\n", at)) >= 0:
        try:
            size = int(data[at:line].split(b";")[0], 16)
        except ValueError:
            raise ReplyError(f"no chunk: {data[at:line][:40]!r}") from None
        at = line + 2
        if size == 0:
            return b"".join(parts) if data.find(b"\r\n", at) >= 0 else None
        if len(data) < at + size + 2:
            return None
        parts.append(data[at:at + size])
        at += size + 2
    return None
