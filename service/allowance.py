"""How much a JSON body may hold, counted before it is parsed: a list of two bytes becomes an object of sixty.

A parser keeps the interpreter to itself until it has made every object, and 32 MB of empty lists are eleven million.
Every value follows a comma or opens a list, every text has two quotation marks, every member of an object has a colon;
so the bytes that separate are counted and held against what the largest request that can be answered needs. Texts of
any length cost one object: the size of the body bounds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from service.problems import Problem

FREE = 2**16       # bytes of a body that are not worth counting
SPARE = 256        # of everything, for the members beside the images
MOST = 2_000_000   # values of nested lists in one request, or one image where that has more
PIECE = 2**18      # bytes counted at a time, between which other threads get the interpreter
COUNTED = {b"[": "lists", b",": "values", b'"': "quotation marks", b":": "colons", b"{": "objects"}
OTHERS = bytes(sorted(set(range(256)) - set(b"".join(COUNTED))))

Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a JSON body may hold beside SPARE of everything. `need` says in words what it was made for."""

    lists: int = 0
    values: int = 0   # of lists, and lists themselves
    texts: int = 0
    need: str = "what is read here"

    @classmethod
    def of(cls, images: int, shapes: Iterable[Shape]) -> Self:
        """For `images` images as text, or as nested lists of the largest of these shapes."""
        lists = values = 0
        largest = ""
        for height, width, channels in shapes:
            inner = 1 + height + height * width
            each = inner + height * width * channels
            many = min(images, max(1, MOST // each))
            lists = max(lists, many * inner)
            if many * each > values:
                values, largest = many * each, f"{many} images of {height} x {width} x {channels}"
        return cls(lists, values, images, largest or f"{images} images")

    def check(self, body: bytes) -> None:
        """Problem for a body that holds more, without having looked at the rest of it."""
        if len(body) <= FREE:
            return
        most = {
            b"[": self.lists + SPARE, b",": self.values + 2 * self.texts + SPARE, b'"': 2 * self.texts + SPARE,
            b":": self.texts + SPARE, b"{": SPARE,  # the colon and a comma of a data: URL
        }
        found = dict.fromkeys(most, 0)
        for start in range(0, len(body), PIECE):
            marks = body[start : start + PIECE].translate(None, OTHERS)
            for mark, limit in most.items():
                found[mark] += marks.count(mark)
                if found[mark] > limit:
                    raise Problem(
                        "body-too-large", f"the JSON has more than {limit} {COUNTED[mark]}, {self.need} need fewer",
                        field="body", limit=limit,
                        cure="send fewer images at once, or files or raw pixels, which are one value each",
                    )
