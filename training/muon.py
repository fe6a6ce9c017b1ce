"""Muon for convolution filters, AdamW for the rest.

Each filter bank is a matrix (filters, everything else). Its momentum is replaced by the nearest matrix whose singular
values are all near one, so that no direction of the input is learned faster than another. Jordan et al., "Muon: An
optimizer for hidden layers in neural networks", 2024. torch.optim.Muon takes matrices only, and has no rule for norms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn, optim

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the quintic iteration; the paper's, chosen for speed near zero
STEPS = 3  # of it: singular values then lie in about 0.3 to 1.2, which is enough for networks as small as ours


class Muon(optim.Optimizer):
    """Takes convolution weights (O, I, H, W) that a normalisation follows, so that only their direction matters.

    Every bank is held at the norm sqrt(O), about that of its update, so that `lr` is the share by which it turns in
    one step. `momentum` is Nesterov's.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """One step of every bank that has a gradient. A closure, which torch's may take, is of no use here."""
        for group in self.param_groups:
            for bank in group["params"]:
                if bank.grad is None:
                    continue
                state = self.state[bank]
                if not state:
                    state["momentum"] = torch.zeros_like(bank.grad)
                momentum = state["momentum"].mul_(group["momentum"]).add_(bank.grad)
                wanted = bank.grad.add(momentum, alpha=group["momentum"])
                bank.mul_(math.sqrt(len(bank)) / bank.norm())
                turn = orthogonalised(wanted.flatten(1)).view_as(bank)
                bank.sub_(turn * group["lr"])  # a tensor where the step is recorded


def orthogonalised(matrix: Tensor) -> Tensor:
    """A matrix (R, C) with the same singular vectors and singular values near one, by STEPS Newton-Schulz steps.

    On a GPU in bf16, as in the paper: singular values that lie in 0.3 to 1.2 need no more digits.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    found: Tensor = matrix.T if tall else matrix
    if found.is_cuda:
        found = found.bfloat16()
    found = found / (found.norm() + 1e-7)
    for _ in range(STEPS):
        gram = found @ found.T
        found = a * found + (b * gram + c * gram @ gram) @ found
    found = found.to(matrix.dtype)
    return found.T if tall else found


class MuonAndAdamW:
    """Muon for the filters and AdamW for all other parameters, as one optimiser.

    The learner writes one learning rate, Muon's; a group's `scale` says what AdamW makes of it.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], *, lr: float, momentum: float, others: float, fused: bool
    ) -> None:
        """`lr` is the filters' peak, `others` that of all other parameters."""
        given = [parameter for parameter in parameters if parameter.requires_grad]
        filters = [parameter for parameter in given if parameter.ndim == 4]
        rest = [parameter for parameter in given if parameter.ndim != 4]
        if not filters:
            raise ValueError("muon turns convolution filters, and this network has none; use adamw")
        self.muon = Muon(filters, lr=lr, momentum=momentum)
        self.adamw = optim.AdamW(rest, others, weight_decay=0.0, fused=fused)
        for group in self.adamw.param_groups:
            group["scale"] = others / lr

    @property
    def parts(self) -> list[optim.Optimizer]:
        """Both."""
        return [self.muon, self.adamw]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both."""
        return list(chain(self.muon.param_groups, self.adamw.param_groups))

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of both."""
        self.muon.zero_grad(set_to_none)
        self.adamw.zero_grad(set_to_none)

    def step(self) -> None:
        """One step of both."""
        self.muon.step()
        self.adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])
