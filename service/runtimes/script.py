"""TorchScript and torch.export archives: the only file of the service that may import torch, inside its loaders.

TorchScript is deprecated upstream in favour of torch.export. Both formats stand behind this one file, so that its
removal from torch costs one function.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtimes import RuntimeUnavailable

INSTALL_HINT = "torch is not installed; `make setup` installs the group `export`, or use runtime=onnxruntime"


class TorchModel:
    """A loaded graph. Calls run without gradients and copy nothing on the CPU."""

    def __init__(self, name: str, forward: Callable[[Any], Any], torch: Any, device: str, threads: int) -> None:
        self.name = name
        self.version = str(torch.__version__)
        self.device = device
        self.threads = threads
        self._forward = forward
        self._torch = torch

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        torch = self._torch
        # The thread count is per calling thread in torch's OpenMP pool, so it is set where the call happens.
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        if not images.flags.writeable:  # torch warns about tensors over read-only memory such as a request body
            images = images.copy()
        with torch.inference_mode():
            probabilities: NDArray[np.float32] = self._forward(torch.from_numpy(images).to(self.device)).cpu().numpy()
        return probabilities


def open_torchscript(path: Path, *, device: str, threads: int) -> TorchModel:
    """Load a TorchScript file."""
    torch = load_torch(device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`?torch\.jit", category=DeprecationWarning)
        module = torch.jit.load(str(path), map_location=device)
        module.eval()
    return TorchModel("torchscript", module, torch, device, threads)


def open_exported(path: Path, *, device: str, threads: int) -> TorchModel:
    """Load a torch.export archive (.pt2), for the CPU it was exported on: moving it moves its weights, and not what it
    asserts about the device of every tensor that it casts.
    """
    torch = load_torch(device)
    module = torch.export.load(str(path)).module()
    return TorchModel("torchexport", module, torch, device, threads)


def load_torch(device: str) -> Any:
    """The module, imported now; RuntimeUnavailable with the cure where it or the device is not here."""
    try:
        import torch
    except ImportError:
        raise RuntimeUnavailable(INSTALL_HINT) from None
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeUnavailable("torch sees no CUDA device; check the NVIDIA driver, or use device=cpu")
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # float32 as the card measured it; matrix products have it anyway
    return torch
