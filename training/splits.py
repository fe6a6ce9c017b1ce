"""Which images of the train split are trained on, held out, or looked at. Pure functions; torch-free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.datasets import facts_of
from training.protocol import Protocol
from training.recipe import Recipe
from training.seeds import derive

Positions = NDArray[np.int64]


def carve_for(recipe: Recipe, protocol: Protocol, labels: Positions, *, seed: int) -> tuple[Positions, Positions]:
    """What a run of `recipe` trains on and holds out of its train split: own data holds its last images out."""
    fixed = facts_of(recipe.dataset).validation is not None
    return carve(labels, protocol, fraction=recipe.fraction, seed=seed, last=fixed)


def carve(
    labels: Positions, protocol: Protocol, *, fraction: float, seed: int, last: bool = False
) -> tuple[Positions, Positions]:
    """Positions (trained on, held out) in the train split; disjoint, each sorted.

    `protocol.held_out` images are held out, of each class its share when stratified; with `last`, the last ones,
    whatever the seed. Of what is left, `fraction` is trained on. ValueError when nothing would be left.
    """
    if protocol.held_out >= len(labels):
        raise ValueError(f"{protocol.held_out} images cannot be held out of {len(labels)}")
    draws = np.random.default_rng(derive(seed, "split"))
    shuffled = draws.permutation(len(labels))
    if last:
        begin = len(labels) - protocol.held_out
        shuffled = np.concatenate([np.arange(begin, len(labels)), shuffled[shuffled < begin]])
    elif protocol.stratified:
        shuffled = _classes_evenly_first(shuffled, labels)
    held_out, left = shuffled[: protocol.held_out], shuffled[protocol.held_out :]
    used = left if fraction == 1 else draws.permutation(left)[: max(1, int(fraction * len(left)))]
    return np.sort(used), np.sort(held_out)


def spread(count: int, most: int) -> Positions:
    """At most `most` of the places 0 to `count` - 1, evenly from all over: the first may all be of one class."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def _classes_evenly_first(shuffled: Positions, labels: Positions) -> Positions:
    """The same positions, ordered so that every prefix holds each class in its share, to within one image."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(place, kind="stable")]
