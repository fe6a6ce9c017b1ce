"""Times every call of every way, in blocks that take turns in random order, so that what disturbs one disturbs all.

A block is up to 25 calls of one batch size. One thread calls; images come from numpy and probabilities go back to it,
so copies to a GPU and back are part of the time. What a session needs to change from one batch size to another is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import Contender
from benchmarks.devices.ways import BASE, CONTROL, Way, open_way, warm_up
from service.runtimes import Runtime, RuntimeUnavailable

BATCHES = (1, 8, 32, 128)
LARGEST = 4096
ROUNDS = 25
BLOCK_CALLS = 25
BLOCK_S = 0.012  # after which a block ends, so that a slow way does not take all of the time
SEED = 0
Calls = Mapping[str, Callable[[], object]]


def measure(
    contenders: Sequence[Contender], ways: Sequence[Way], *, batches: Sequence[int] = BATCHES, rounds: int = ROUNDS,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Rows with the seconds of all calls by way, the ways and files that ran, and what was left out with its reason."""
    found: dict[str, Any] = {"ways": {}, "files": {}, "rows": [], "left_out": []}
    for contender in contenders:
        runs: dict[Way, Runtime] = {}
        for way in ways:
            with _leaving_out(found, contender, way):
                run = runs[way] = open_way(way, contender)
                found["ways"][way.name] = {"runtime": run.name, "version": run.version, "device": run.device,
                                           "threads": run.threads}
        found["files"][contender.id] = {file.format: file.sha256 for file in contender.card.files}
        for batch in batches:
            say(f"{contender.id}, {batch} image{'s' if batch > 1 else ''}")
            images = np.random.default_rng(SEED).integers(0, 256, (batch, *contender.card.input.shape), dtype=np.uint8)
            calls = {}
            for way, run in runs.items():
                with _leaving_out(found, contender, way):
                    warm_up(way, run, images)
                    calls[way.name] = partial(run, images)
            if BASE in calls and CONTROL in calls:  # without them nothing could be compared
                seconds = take_blocks(calls, rounds=rounds)
                found["rows"].append({"model": contender.id, "batch": batch, "seconds": seconds})
    return found


def take_blocks(calls: Calls, *, rounds: int, seed: int = SEED) -> dict[str, NDArray[np.float64]]:
    """Seconds of single calls, one block of each per round."""
    draws, names = np.random.default_rng(seed), list(calls)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for place in draws.permutation(len(names)):
            taken[names[place]] += _block(calls[names[place]])
    return {name: np.array(seconds) for name, seconds in taken.items()}


def _block(call: Callable[[], object]) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + BLOCK_S
    while len(taken) < BLOCK_CALLS:
        began = time.perf_counter()
        call()
        ended = time.perf_counter()
        taken.append(ended - began)
        if ended > until:
            break
    return taken


@contextmanager
def _leaving_out(found: dict[str, Any], contender: Contender, way: Way) -> Iterator[None]:
    """What is unavailable is written down with its reason, and the others go on."""
    try:
        yield
    except RuntimeUnavailable as error:
        found["left_out"].append({"model": contender.id, "way": way.name, "reason": str(error)})
