"""What a server serves, as far as a load has to know: where to send, what to send, and how to read what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.bodies import MOST_BODIES
from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.load.payloads import Payloads, encode_with
from benchmarks.load.protocols.protocol import WEIGHBRIDGE, Protocol
from service.splits import FOLDER, Split, find_splits

MOST_BYTES = 128 * 2**20  # of all bodies: the generator holds them twice


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model of a server, and the labelled images for it."""

    model: str                     # as people call it
    path: str                      # where predictions are asked for
    split: Split
    kind: str                      # how images travel: "png", "binary-fp32"
    content_type: str
    encoder: Callable[[NDArray[np.uint8]], bytes]
    facts: dict[str, Any]          # what the server says of the model; JSON-ready, and may not change in between
    unknown: tuple[str, ...] = ()  # what it does not say
    protocol: Protocol = WEIGHBRIDGE

    def payloads(self, images: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int) -> Payloads:
        """The bodies, as many as memory should hold."""
        limit = min(MOST_BODIES, max(1, MOST_BYTES // len(self.encoder(images[0]))))
        return encode_with(self.encoder, self.content_type, images, labels, limit=limit, seed=seed,
                           protocol=self.protocol)


def known_splits(root: Path) -> dict[str, Split]:
    """Every usable split under a root; NothingToWeighError, with the cure, where there is none."""
    found, problems = find_splits([root])
    if not found:
        raise NothingToWeighError(
            f"there are no labelled images under {root / FOLDER}" + "".join(f"; {problem}" for problem in problems)
            + f"; python -m export --split DATASET test --to {root} writes some, or give --root")
    return found


def named_split(root: Path, name: str) -> Split:
    """The split of that name."""
    known = known_splits(root)
    if name not in known:
        raise NothingToWeighError(f"--split {name}: there is none under {root / FOLDER}; there are {listing(known)}")
    return known[name]


def listing(names: Iterable[str]) -> str:
    """`a, b`."""
    return ", ".join(sorted(names))


def described(split: Split) -> str:
    """`toys-test (4 × 4 × 1, 2 classes)`."""
    card = split.card
    return f"{card.name} ({' × '.join(map(str, card.shape))}, {len(card.classes)} classes)"
