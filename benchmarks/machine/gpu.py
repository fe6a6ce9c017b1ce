"""NVIDIA GPUs: whether there is one, and what NVML tells of it. Without a GPU nothing here is imported or asked."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from service.runtimes import gpu_here

INSTALL = "nvidia-ml-py is not installed, so the GPU's own figures are unknown; pip install nvidia-ml-py"


@lru_cache(maxsize=1)
def no_gpu() -> str | None:
    """Why nothing can run on CUDA here; None where the server would try: only an opened session is proof."""
    return None if gpu_here() else "no NVIDIA GPU is here (the system shows none)"


class Gpus:
    """All GPUs through NVML; `unknown` says why there are no figures."""

    def __init__(self) -> None:
        self.unknown = no_gpu()
        self._nvml: Any = None
        self._handles: list[Any] = []
        if self.unknown is None:
            self._open()

    def _open(self) -> None:
        try:
            self._nvml = import_module("pynvml")
        except ImportError:
            self.unknown = INSTALL
            return
        try:
            self._nvml.nvmlInit()
            self._handles = [self._nvml.nvmlDeviceGetHandleByIndex(i) for i in range(self._nvml.nvmlDeviceGetCount())]
        except self._nvml.NVMLError as error:
            self.unknown = f"NVML cannot be asked: {error}"

    def about(self) -> dict[str, str]:
        """`name` of the first GPU, where sessions open, and `driver`; or `unknown`, the reason."""
        if self.unknown:
            return {"unknown": self.unknown}
        try:
            return {"name": str(self._nvml.nvmlDeviceGetName(self._handles[0])),
                    "driver": str(self._nvml.nvmlSystemGetDriverVersion())}
        except self._nvml.NVMLError as error:
            return {"unknown": f"NVML cannot be asked: {error}"}

    def joules(self) -> float | None:
        """Energy of all GPUs since the driver was loaded; None where unknown."""
        if self.unknown:
            return None
        try:
            spent: int = sum(self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
        except self._nvml.NVMLError:
            return None  # older than Volta
        return spent / 1000

    def busy(self) -> tuple[float, int] | None:
        """Utilisation of the busiest GPU (0 to 1) and bytes in use on all, now; None where unknown."""
        if self.unknown:
            return None
        try:
            used = max(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in self._handles) / 100
            memory: int = sum(self._nvml.nvmlDeviceGetMemoryInfo(handle).used for handle in self._handles)
        except self._nvml.NVMLError:
            return None
        return used, memory
