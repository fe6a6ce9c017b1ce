"""Counter-based randomness: every draw is a pure function of the seed and of what it is for.

`generator(seed, "augment", epoch, batch)` gives the same numbers whatever was drawn before, so a run resumed at an
epoch boundary, or on another device, sees the very same batches. Nothing here keeps a state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the splits need seeds where torch is not imported
    import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose, 0..2**32-1: torch's CPU generator reads 32 bits. Purposes are independent."""
    return int.from_bytes(hashlib.sha256(repr((seed, *purpose)).encode()).digest()[:4], "big")


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A torch generator on the CPU, also for CUDA runs: both then draw the same batches."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *purpose))
