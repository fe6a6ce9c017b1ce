"""Which core does what: a load generator that shares its core with the server measures their quarrel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MORE_GENERATORS = 3  # processes beside the first; a rate seldom needs even one of them


@dataclass(frozen=True)
class Cores:
    """Cores for the server and for the generator. Empty sets mean: this system cannot pin."""

    server: tuple[int, ...]
    generator: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether server and generator have no core in common."""
        return bool(self.server) and not set(self.server) & set(self.generator)

    def __str__(self) -> str:
        if not self.server:
            return "not pinned: this system has no scheduler affinity"
        if not self.apart:
            return f"server and generator share core {self.server[0]}"
        server, generator = (", ".join(map(str, cores)) for cores in (self.server, self.generator))
        return f"server on core {server}, generator on core {generator}"


def share_out(server_cores: int = 1, usable: set[int] | None = None) -> Cores:
    """The server gets the first `server_cores`, the generator the last core, and up to three more that nobody needs."""
    if usable is None:
        if not hasattr(os, "sched_getaffinity"):
            return Cores((), ())
        usable = os.sched_getaffinity(0)
    *others, last = sorted(usable)
    spare = others[server_cores:][-MORE_GENERATORS:]
    return Cores(tuple(others[:server_cores]) or (last,), (*spare, last))


@contextmanager
def pinned(cores: tuple[int, ...]) -> Iterator[None]:
    """Processes started inside inherit this affinity from their first instruction on; afterwards ours is as before."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
