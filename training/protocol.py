"""How a run uses its data: what it may look at after each epoch, and where its figure comes from.

Two protocols, recorded apart, because the reports did not all follow one:

    clean     validation images carved from the train split by seed; the official test split is scored once, at the end
    report    what the report did, so that its figure and ours can be compared like for like
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROTOCOLS = ("clean", "report")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The split of one run and its way of choosing the number."""

    held_out: int                               # images taken out of the train split, by seed
    stratified: bool = False                    # the same share of every class, or plainly random
    watches: Literal["held-out", "test"]        # scored after every epoch
    tests_on: Literal["held-out", "test"]       # where the final figure comes from
    picks: Literal["last", "best"] = "last"     # the epoch whose figure counts

    def __post_init__(self) -> None:
        if self.held_out < 0:
            raise ValueError(f"held_out is {self.held_out}, a count of images")
        if self.held_out == 0 and "held-out" in (self.watches, self.tests_on):
            raise ValueError("a protocol that scores held-out images must hold some out")


def clean(held_out: int) -> Protocol:
    """The protocol of every figure we stand for: choices see `held_out` validation images, never the test split."""
    return Protocol(held_out=held_out, stratified=True, watches="held-out", tests_on="test")
