"""OpenVINO: the ONNX file of an artifact on Intel's runtime, which knows other CPUs as well.

float32 is asked for by name: on a CPU with bfloat16 instructions OpenVINO would otherwise take those, and a model would
no longer answer as its card says. Threads are set and not pinned, because several workers share the cores.
"""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.runtimes import RUNTIMES, RuntimeUnavailable


class OpenVinoModel:
    """One compiled model. An infer request serves one call at a time, so each calling thread has its own."""

    name = "openvino"
    device = "cpu"

    def __init__(self, compiled: Any, openvino: Any, threads: int) -> None:
        self.version = str(openvino.__version__).split("-")[0]
        self.threads = threads
        self._compiled = compiled
        self._tensor = openvino.Tensor
        self._local = threading.local()

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        if not images.flags.writeable or not images.flags.c_contiguous:  # a tensor over them is shared memory
            images = np.array(images, order="C")
        request.set_input_tensor(self._tensor(images, shared_memory=True))
        request.infer()
        # The request's own memory is written again by the next call.
        probabilities: NDArray[np.float32] = np.array(request.get_output_tensor(0).data)
        return probabilities


def options(threads: int) -> dict[str, Any]:
    """OpenVINO's properties for one session on the CPU."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }


def open_model(path: Path, *, device: str, threads: int) -> OpenVinoModel:  # noqa: ARG001 - an opener's signature
    """Compile an ONNX file for this CPU. RuntimeUnavailable where OpenVINO is not installed or refuses the graph."""
    try:
        openvino = import_module("openvino")
    except ImportError:
        raise RuntimeUnavailable(f"openvino is not installed; {RUNTIMES['openvino'].cure}") from None
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", options(threads))
    except RuntimeError as error:
        raise RuntimeUnavailable(f"OpenVINO cannot run {path.name}: {error}; use runtime=onnxruntime") from error
    return OpenVinoModel(compiled, openvino, threads)
