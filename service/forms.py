"""multipart/form-data, in memory: the body's size was limited before, the number of its parts is limited here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.problems import Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

# What curl, browsers and the usual libraries send. Whatever looks different goes to the parser that knows all forms.
USUAL_TYPE = re.compile(r"multipart/form-data; boundary=([\w-]{1,70})", re.ASCII)
USUAL_HEAD = re.compile(
    rb'Content-Disposition: form-data; name="([\w.-]+)"(?:; filename="([\w. -]*)")?'
    rb"(?:\r\nContent-Type: [\w/+.-]+)?\r\n\r\n"
)
MANY = 1000
CURE = "send it as `curl -F image=@file` does: a boundary in Content-Type, every part named, the last boundary closed"


@dataclass(slots=True)
class Part:
    """One part: its field name, and its bytes."""

    name: str = ""
    filename: str | None = None
    data: bytes = b""

    def text(self) -> str:
        """The value of a plain field."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            raise Problem("bad-multipart", f"field {self.name!r} is not UTF-8", field=self.name, cure=CURE) from None


def parse_form(body: bytes, content_type: str, *, max_parts: int) -> list[Part]:
    """The parts of `body` in order. Problem "bad-multipart", or "too-many-images" beyond `max_parts`."""
    found = quick_form(body, content_type, max_parts)
    return full_form(body, content_type, max_parts) if found is None else found


def quick_form(body: bytes, content_type: str, max_parts: int = MANY) -> list[Part] | None:
    """The parts of a form as almost every client writes it, found at the speed of memchr; None for any other, and for
    one of more parts."""
    kind = USUAL_TYPE.fullmatch(content_type)
    if kind is None:
        return None
    delimiter = b"\r\n--" + kind[1].encode()
    width = len(delimiter)
    at = width
    if not body.startswith(delimiter[2:]) or body[at - 2 : at] != b"\r\n":
        return None
    parts: list[Part] = []
    while len(parts) < max_parts and (head := USUAL_HEAD.match(body, at)) is not None:
        start = head.end()
        end = body.find(delimiter, start)
        if end < 0:
            return None
        filename = head[2]
        parts.append(Part(head[1].decode(), None if filename is None else filename.decode(), body[start:end]))
        at = end + width + 2
        after = body[at - 2 : at]
        if after == b"--" and body[at:] in (b"", b"\r\n"):
            return parts
        if after != b"\r\n":
            return None
    return None


def full_form(body: bytes, content_type: str, max_parts: int) -> list[Part]:
    """The parts of any form."""
    reader = _Reader(max_parts)
    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise FormParserError("Content-Type has no boundary")
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeError) as error:
        raise Problem("bad-multipart", f"{error}", cure=CURE) from error
    if not reader.ended:
        raise Problem("bad-multipart", "the body ends before its last boundary", cure=CURE)
    return reader.parts


class _Reader:
    """Collects what the parser calls back with."""

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._max_parts = max_parts
        self._header = bytearray()
        self._value = bytearray()
        self._data = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._named,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= self._max_parts:
            raise Problem(
                "too-many-images",
                f"the form has more than {self._max_parts} parts",
                limit=self._max_parts,
                cure="send the images in several requests",
            )
        self.parts.append(Part())

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            options = parse_options_header(bytes(self._value))[1]
            self.parts[-1].name = options.get(b"name", b"").decode()
            filename = options.get(b"filename")
            self.parts[-1].filename = filename.decode(errors="replace") if filename is not None else None
        self._header.clear()
        self._value.clear()

    def _named(self) -> None:
        if not self.parts[-1].name:
            raise FormParserError(f"part {len(self.parts)} has no name")

    def _end_part(self) -> None:
        self.parts[-1].data = bytes(self._data)
        self._data.clear()

    def _end(self) -> None:
        self.ended = True
