"""Which core does what: a load generator that shares its core with the server measures their quarrel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


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
        return f"server on core {', '.join(map(str, self.server))}, generator on core {self.generator[0]}"


def share_out(server_cores: int = 1, usable: set[int] | None = None) -> Cores:
    """The generator gets the last usable core, the server the first `server_cores` of the others."""
    if usable is None:
        if not hasattr(os, "sched_getaffinity"):
            return Cores((), ())
        usable = os.sched_getaffinity(0)
    *others, last = sorted(usable)
    return Cores(tuple(others[:server_cores]) or (last,), (last,))


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
