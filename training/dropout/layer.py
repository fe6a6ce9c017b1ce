"""Dropout by random bytes, eight of which come out of one random number."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_unary

from training.dropout import native
from training.instead import Instead, Ways

SIDES = 256  # of a random byte


def rectify_and_drop(input: Tensor, p: float, training: bool) -> Tensor:  # noqa: A002 - as torch's
    """dropout(relu(input)). For networks in which one follows the other: in one step that is quicker on a CPU."""
    if has_torch_function_unary(input):  # also inside of ByteDropout
        return handle_torch_function(rectify_and_drop, (input,), input, p, training)
    return functional.dropout(functional.relu(input), p, training)


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002, FBT
    if not training or inplace or not 0 < p < 1:
        return functional.dropout(input, p, training, inplace)
    kept = _kept(input.numel(), p)
    if _has_native(input):
        dropped: Tensor = _Drop.apply(input, kept, 1 / (1 - p))  # type: ignore[no-untyped-call]
        return dropped
    return input * _as(input, kept.to(input.dtype).mul_(1 / (1 - p)))


def _rectify_and_drop(input: Tensor, p: float, training: bool) -> Tensor:  # noqa: A002
    if not training or not 0 < p < 1:
        return functional.dropout(functional.relu(input), p, training)
    if not _has_native(input):
        return _dropout(functional.relu(input), p)
    dropped: Tensor = _RectifyAndDrop.apply(input, _kept(input.numel(), p), 1 / (1 - p))  # type: ignore[no-untyped-call]
    return dropped


def _kept(count: int, p: float) -> Tensor:
    """`count` bytes on the CPU, each 0 with probability p, else 1."""
    edge, beyond = divmod(p * SIDES, 1)
    numbers = torch.empty((count + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    thrown = numbers.view(torch.uint8)[:count]
    if (code := native.library()) is not None:
        native.keep(code, thrown, int(edge), beyond)
        return thrown
    kept = thrown >= int(edge)
    if beyond:
        at_edge = (thrown == int(edge)).nonzero().squeeze(1)
        kept[at_edge] = torch.rand(len(at_edge), dtype=torch.float64) >= beyond
    return kept.view(torch.uint8)


def _as(input: Tensor, values: Tensor) -> Tensor:  # noqa: A002
    """`values` (N) in the shape of `input` and in the order in which it lies in memory, where it lies in one piece."""
    if _lies_channels_last(input):
        return values.as_strided(input.size(), input.stride())
    return values.view(input.shape)


def _lies_channels_last(input: Tensor) -> bool:  # noqa: A002
    return input.is_contiguous(memory_format=torch.channels_last)


def _has_native(input: Tensor) -> bool:  # noqa: A002
    return (input.dtype == torch.float32 and (input.is_contiguous() or _lies_channels_last(input))
            and native.library() is not None)


def _pass(name: str, values: Tensor, by: Tensor, scale: float) -> Tensor:
    """What the function of that name makes of `values`, which lie as `by` does, and `by`."""
    made = torch.empty_like(values)
    getattr(native.library(), name)(values.data_ptr(), by.data_ptr(), made.data_ptr(), values.numel(), scale)
    return made


class _Drop(torch.autograd.Function):
    """`input` fp32, in one piece; `kept` a byte per value in the order of memory."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, kept: Tensor, scale: float) -> Tensor:  # noqa: A002
        kept = _as(input, kept)
        ctx.save_for_backward(kept)
        ctx.scale = scale
        return _pass("drop", input, kept, scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return _pass("drop", _lying_as(kept, gradient), kept, ctx.scale), None, None


class _RectifyAndDrop(torch.autograd.Function):
    """The same of its ReLU. What is above 0 in the answer says what passed both."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, kept: Tensor, scale: float) -> Tensor:  # noqa: A002
        dropped = _pass("rectify_and_drop", input, _as(input, kept), scale)
        ctx.save_for_backward(dropped)
        ctx.scale = scale
        return dropped

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (dropped,) = ctx.saved_tensors
        return _pass("of_rectified", _lying_as(dropped, gradient), dropped, ctx.scale), None, None


def _lying_as(other: Tensor, values: Tensor) -> Tensor:
    """`values` in the order in which `other` lies in memory."""
    if values.stride() == other.stride():
        return values
    return torch.empty_like(other, dtype=values.dtype).copy_(values)


class ByteDropout(Instead):
    """Inside this context a value is kept when a random byte says so, eight of which come out of one random number.

    A byte on the edge between keeping and dropping is followed by a number of its own, so that every probability is
    met as exactly as by torch. What is kept follows from torch's seed, like torch's own, and is not the same.
    """

    ways: ClassVar[Ways] = {functional.dropout: _dropout, rectify_and_drop: _rectify_and_drop}
