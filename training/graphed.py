"""A training step as a CUDA graph: recorded once, then launched as one.

A step of a small network is a hundred kernels of a few microseconds each, and launching one from Python takes longer
than running it: the GPU waits. A graph repeats the very same kernels on the very same memory with a single launch.
What changes from step to step must therefore lie in memory and not in the recording: the batch is copied to where the
graph reads it, the learning rate is a tensor, and dropout's counter is advanced by torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

OPTIMIZERS = ("sgd", "adam", "adamw", "muon")  # those whose whole state lies on the device
EAGER = 2  # calls before the recording: they make the optimiser's state and load the libraries, which no graph may do

Inputs: TypeAlias = tuple[Tensor | None, ...]


class Graphed:
    """Calls `function(*inputs)`, tensors in and tensors out, by replaying a graph of it where the shapes are as at
    first, and directly otherwise: the last batch of an epoch is often smaller.

    A replay overwrites what the one before it returned.
    """

    def __init__(self, function: Callable[..., tuple[Tensor, ...]]) -> None:
        self._function = function
        self._shapes: list[torch.Size | None] | None = None
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Inputs = ()
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, *inputs: Tensor | None) -> tuple[Tensor, ...]:
        """What `function` returns."""
        shapes = [None if each is None else each.shape for each in inputs]
        self._shapes = self._shapes or shapes
        if shapes != self._shapes:
            return self._function(*inputs)
        self._calls += 1
        if self._calls <= EAGER:
            return self._function(*inputs)
        if self._graph is None:
            self._record(inputs)
        assert self._graph is not None
        for held, given in zip(self._inputs, inputs, strict=True):
            if held is not None and given is not None:
                held.copy_(given)
        self._graph.replay()
        return self._outputs

    def _record(self, inputs: Inputs) -> None:
        """Recording runs nothing: the weights are as before."""
        self._inputs = tuple(None if each is None else each.clone() for each in inputs)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._outputs = self._function(*self._inputs)
        self._graph = graph


def adjustable(optimizer: torch.optim.Optimizer, device: torch.device) -> None:
    """Put the learning rates of `optimizer` where a graph reads them, and have it count its steps on the device.

    To be called again when a saved state was taken up.
    """
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=device)
        if "capturable" in group:
            group["capturable"] = True
    optimizer._warned_capturable_if_run_uncaptured = True  # the first steps run so
