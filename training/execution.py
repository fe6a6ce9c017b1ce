"""How this machine runs a recipe: device, precision, memory format, threads. Never part of a recipe's fingerprint.

A run records what was chosen, and a resumed run goes on with the same choice on the same kind of device; two runs with
one execution and one seed end in the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from training.cpu import cpu_flags, usable_cores
from training.dropout import ByteDropout
from training.graphed import OPTIMIZERS as GRAPHABLE
from training.memory import keep_freed_memory
from training.recipe import Recipe
from training.winograd import Winograd
from training.winograd.native import available

# Networks whose time goes into convolutions or large products. Small MLPs gain nothing from bf16: measured slower.
HEAVY = ("mixer", "cnn", "gated-cnn", "fastnet")
CONVOLUTIONAL = ("cnn", "gated-cnn", "fastnet")
SMALL = ("mlp", "tinyvgg")  # networks whose single operations are too short to share between cores


@dataclass(frozen=True, kw_only=True)
class Execution:
    """The machine's side of a run. `threads` counts torch's CPU threads."""

    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]      # bf16: autocast; weights and optimiser stay fp32
    channels_last: bool
    fused: bool                             # the optimiser's one-kernel step, where it has one
    threads: int
    compiled: bool = False                  # torch.compile around the forward and backward pass
    winograd: bool = False                  # wide 3x3 convolutions in fp32 with fewer multiplications
    graphed: bool = False                   # the whole step as one CUDA graph

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.device)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """The context of a forward pass."""
        with ExitStack() as stack:
            stack.enter_context(
                torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16")
            )
            if self.device == "cpu" and not self.compiled:  # compiled code makes its own random numbers, and products
                stack.enter_context(ByteDropout())
                if self.winograd:
                    stack.enter_context(Winograd())
            yield

    def place(self, network: nn.Module) -> nn.Module:
        """The network on the device, in the memory format."""
        if self.channels_last:
            return network.to(device=self.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
        return network.to(self.torch_device)

    def apply(self) -> None:
        """Set process-wide switches: threads, kernels that give the same bits each time, memory that is kept."""
        torch.set_num_threads(self.threads)
        if self.device == "cpu":
            keep_freed_memory()
        if self.device == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.allow_tf32 = False  # networks are scored in fp32, as they are served
            if self.graphed and torch.cuda.current_stream() == torch.cuda.default_stream():
                torch.cuda.set_stream(torch.cuda.Stream())  # type: ignore[no-untyped-call]  # the default waits for all
        torch.use_deterministic_algorithms(True, warn_only=True)
        # It also fills all new memory, for programs that read what they never wrote: up to 4 % of a step, for nothing.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def described(execution: Execution) -> str:
    """In words, for people: `bf16, channels last, fused`."""
    said = {
        "channels last": execution.channels_last, "fused": execution.fused, "compiled": execution.compiled,
        "Winograd": execution.winograd, "CUDA graph": execution.graphed,
    }
    return ", ".join([execution.precision, *(name for name, held in said.items() if held)])


def choose(recipe: Recipe, *, device: str = "auto", threads: int | None = None) -> Execution:
    """A plan by rules of thumb, which a probe may better; ValueError when the device asked for is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device here; use --device cpu")
    kind: Literal["cpu", "cuda"] = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    bf16 = recipe.architecture in HEAVY and has_bf16(kind)
    return Execution(
        device=kind,
        precision="bf16" if bf16 else "fp32",
        channels_last=recipe.architecture in CONVOLUTIONAL,
        fused=True,
        threads=threads or usable_cores(),
        graphed=kind == "cuda" and can_be_graphed(recipe),
    )


def answering(recipe: Recipe, *, device: str, threads: int) -> Execution:
    """For a network that only answers, which nobody probes: the rules of thumb, and Winograd where it can be had."""
    usual = choose(recipe, device=device, threads=threads)
    wide = usual.device == "cpu" and usual.precision == "fp32" and recipe.architecture in CONVOLUTIONAL
    return replace(usual, graphed=False, winograd=wide and available())


def can_be_graphed(recipe: Recipe) -> bool:
    """Whether a step of `recipe` depends on nothing but tensors."""
    return recipe.optimizer in GRAPHABLE


def is_small(recipe: Recipe) -> bool:
    """Whether a second thread gains nothing."""
    return recipe.architecture in SMALL


def has_bf16(device: str) -> bool:
    """Whether bf16 products run in hardware; emulated ones are slower than fp32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and "avx512_bf16" in cpu_flags()
