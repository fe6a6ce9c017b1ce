"""Other ways to compute what a network asks torch for, while the network knows nothing of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch.overrides import TorchFunctionMode

Ways = Mapping[Callable[..., Any], Callable[..., Any]]


class Instead(TorchFunctionMode):
    """Inside this context the functions named in `ways` are called in place of torch's; what they return remembers it.

    A way may call what it replaces: it runs outside of the context.
    """

    ways: ClassVar[Ways] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """What torch asks before each of its functions."""
        return self.ways.get(func, func)(*args, **(kwargs or {}))
