"""The convolution, its gradients, and the context in which networks use it without knowing."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from training.instead import Instead, Ways
from training.winograd.native import LANES
from training.winograd.tiling import Tiling

# Below, products are too narrow to earn the transforms back.
CHANNELS = 32
PRODUCT = 32 * 64


def _conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None,  # noqa: A002 - torch's names
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:
    if gains(input, weight, stride, padding, dilation, groups) and _can_read(input, weight, bias):
        return convolve(input, weight, bias)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


class Winograd(Instead):
    """Inside this context `conv2d` goes the quicker way where `gains` says so; what comes out remembers it."""

    ways: ClassVar[Ways] = {torch.conv2d: _conv2d}


def gains(
    x: Tensor, weight: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> bool:
    """Whether a convolution, given as to `conv2d`, can be computed here and is wide enough to be quicker so."""
    return (
        _can_read(x, weight, None)
        and min(x.shape[2:]) > 1  # the tiles of a line are mostly padding
        and not torch.is_autocast_enabled("cpu")
        and _suits(weight, stride, padding, dilation, groups)
    )


def has_wide_convolutions(network: nn.Module) -> bool:
    """Whether `gains` would say yes to any layer of a network in fp32 on the CPU, if its images are not lines."""
    return any(
        layer.padding_mode == "zeros"  # else the layer pads by itself and asks for a convolution without
        and _suits(layer.weight, layer.stride, layer.padding, layer.dilation, layer.groups)
        for layer in network.modules() if isinstance(layer, nn.Conv2d)
    )


def _suits(weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    outputs, inputs = weight.shape[:2]
    return (
        weight.shape[2:] == (3, 3) and groups == 1
        and all(one in (1, (1, 1), [1, 1]) for one in (stride, padding, dilation))
        and inputs % LANES == outputs % LANES == 0
        and min(inputs, outputs) >= CHANNELS and inputs * outputs >= PRODUCT
    )


def _can_read(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether they are what `convolve` takes: machine code reads as much memory as it is told there is."""
    return (
        x.dim() == weight.dim() == 4 and x.shape[1] == weight.shape[1] and weight.shape[2:] == (3, 3)
        and not any(channels % LANES for channels in weight.shape[:2]) and min(x.shape[2:]) > 0
        and (bias is None or bias.shape == weight.shape[:1])
        and all(each.device.type == "cpu" and each.dtype == torch.float32
                for each in (x, weight, bias) if each is not None)
    )


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`conv2d(x, weight, bias, padding=1)` for x (N, I, H, W), weight (O, I, 3, 3) and bias (O), fp32 on the CPU, with
    I and O multiples of LANES. The answer (N, O, H, W) is channels last, whatever x is.

    ValueError for other shapes and types; RuntimeError or OSError as `native.library` has it.
    """
    if not _can_read(x, weight, bias):
        given = ", ".join(f"{str(each.dtype).removeprefix('torch.')} {tuple(each.shape)} on {each.device}"
                          for each in (x, weight, bias) if each is not None)
        raise ValueError(f"images (N, I, H, W), filters (O, I, 3, 3) and a bias (O) are wanted, float32 on the CPU, "
                         f"I and O multiples of {LANES}; these are {given}")
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    answer: Tensor = _Convolution.apply(x.permute(0, 2, 3, 1).contiguous(), weight, bias)  # type: ignore[no-untyped-call]
    return answer.permute(0, 3, 1, 2)


class _Convolution(torch.autograd.Function):
    """Images (N, H, W, I) to (N, H, W, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        images, height, width, inputs = x.shape
        outputs = len(weight)
        tiling = Tiling.of(height, width)
        filters, bias = tiling.filters(weight), bias.contiguous()
        ctx.save_for_backward(x, filters)
        answer = x.new_empty(images, height, width, outputs)
        for first, held, products in tiling.pieces(images, inputs, outputs):
            tiling.to_tiles(x, held, first)
            tiling.to_pixels(torch.bmm(held, filters.mT, out=products), answer, bias, first)
        return answer

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, filters = ctx.saved_tensors
        images, height, width, inputs = x.shape
        gradient = gradients[0].contiguous()
        outputs = gradient.shape[-1]
        tiling = Tiling.of(height, width)
        by_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        by_filters = torch.zeros_like(filters) if ctx.needs_input_grad[1] else None
        for first, held, of_products in tiling.pieces(images, inputs, outputs):
            tiling.of_gradients(gradient, of_products, first)
            if by_filters is not None:
                tiling.to_tiles(x, held, first)
                by_filters.baddbmm_(of_products.mT, held)
            if by_x is not None:
                tiling.from_tiles(torch.bmm(of_products, filters, out=held), by_x, first)
        return (
            by_x,
            None if by_filters is None else tiling.gradient_of_filters(by_filters),
            gradient.sum((0, 1, 2)) if ctx.needs_input_grad[2] else None,
        )
