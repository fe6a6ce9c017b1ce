"""A wrapped network as TorchScript, and as a torch.export archive (.pt2).

TorchScript is what people ask for and is deprecated upstream; .pt2 is its successor. Both stand here, so that the
removal of TorchScript from torch costs one function.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch.jit._trace import TracerWarning

from export.wrapped import Wrapped, refuse_train_mode


def to_torchscript(module: Wrapped, example: torch.Tensor, path: Path) -> None:
    """Trace, freeze and save. Raises ValueError in train mode."""
    refuse_train_mode(module)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message=r"`?torch\.jit", category=DeprecationWarning)
        # A network that checks its input's size. Whether that was traced rightly, parity at several batch sizes shows.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python", category=TracerWarning)
        traced = torch.jit.trace(module, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(torch.jit.freeze(traced), str(path))


def to_exported(module: Wrapped, example: torch.Tensor, path: Path) -> None:
    """Save as a torch.export archive with a dynamic batch axis. Raises ValueError in train mode."""
    refuse_train_mode(module)
    with torch.no_grad():
        program = torch.export.export(module, (example,), dynamic_shapes={"image": {0: torch.export.Dim("batch")}})
    torch.export.save(program, str(path))
