"""How the weights of linear and convolution layers begin. Biases and everything else keep torch's defaults."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

INITS: dict[str, Callable[[Tensor], object] | None] = {
    "default": None,  # torch's: uniform in +-1/sqrt(fan in), i.e. kaiming_uniform_(a=sqrt(5))
    "kaiming-uniform": nn.init.kaiming_uniform_,
    "kaiming-normal": nn.init.kaiming_normal_,
    "xavier-uniform": nn.init.xavier_uniform_,
    "xavier-normal": nn.init.xavier_normal_,
}


def initialise(network: nn.Module, name: str) -> None:
    """Set the linear and convolution weights of `network` in place, as the entry `name` of INITS says."""
    init = INITS[name]
    if init is None:
        return
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            init(module.weight)
