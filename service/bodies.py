"""The bytes of bodies that one worker holds for all its clients together, from their arrival until the answer.

Each body has its own limit; many clients that send and never finish would still fill the memory. What is beyond the
limit of all is refused, to be sent again later. Short bodies are not counted, and get through whatever large ones do.
What a compressed one unpacks to is a body of its own (oip/packed.py).
"""

from __future__ import annotations

from service.metrics import Series
from service.problems import Problem

SHORT = 2**16  # bytes; connections themselves take as much
AGAIN_S = 1    # when there may be room again: as soon as any of the others has its answer


class Bodies:
    """`held` bytes of at most `limit`. Event loop only; `gauge` follows."""

    def __init__(self, limit: int, gauge: Series) -> None:
        self.limit = limit
        self.held = 0
        self._gauge = gauge

    def expect(self, announced: int) -> None:
        """Problem where a body of so many bytes cannot be taken now. Nothing is kept for it: it may never come."""
        if announced > SHORT and self.held + announced > self.limit:
            raise self._full()

    def take(self, seen: int, more: int) -> None:
        """Hold `more` bytes of a body of which `seen` came before; Problem where there is no room for them."""
        counted = _counted(seen + more) - _counted(seen)
        if not counted:
            return
        if self.held + counted > self.limit:
            raise self._full()
        self._hold(counted)

    def let_go(self, seen: int) -> None:
        """Forget a body of which `seen` bytes were taken."""
        if counted := _counted(seen):
            self._hold(-counted)

    def _hold(self, by: int) -> None:
        self.held += by
        self._gauge.labels().set(self.held)

    def _full(self) -> Problem:
        return Problem("overloaded", f"{self.held} bytes of other requests are being taken in", field="body",
                       limit=self.limit, cure=f"try again in {AGAIN_S} s, or raise WEIGHBRIDGE_MAX_BODIES_BYTES on the "
                       "server", retry_after_s=AGAIN_S)


def _counted(size: int) -> int:
    return size if size > SHORT else 0
