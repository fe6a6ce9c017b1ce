"""Dropout on a CPU without one random number per value, which there takes longer than the layer that it follows."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from training.instead import Instead, Ways

SIDES = 256  # of a random byte


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002, FBT
    if not training or inplace or not 0 < p < 1:
        return functional.dropout(input, p, training, inplace)
    scale = _kept(input.numel(), p).to(input.dtype).mul_(1 / (1 - p))
    if input.is_contiguous(memory_format=torch.channels_last):
        return input * scale.as_strided(input.size(), input.stride())  # in the order in which both lie in memory
    return input * scale.view(input.shape)


def _kept(count: int, p: float) -> Tensor:
    """`count` bools on the CPU, each False with probability p."""
    edge, beyond = divmod(p * SIDES, 1)
    numbers = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    thrown = numbers.view(torch.uint8)[:count]
    kept = thrown >= int(edge)
    if beyond:
        at_edge = (thrown == int(edge)).nonzero().squeeze(1)
        kept[at_edge] = torch.rand(len(at_edge), dtype=torch.float64) >= beyond
    return kept


class ByteDropout(Instead):
    """Inside this context a value is kept when a random byte says so, eight of which come out of one random number.

    A byte on the edge between keeping and dropping is followed by a number of its own, so that every probability is
    met as exactly as by torch. What is kept follows from torch's seed, like torch's own, and is not the same.
    """

    ways: ClassVar[Ways] = {functional.dropout: _dropout}
