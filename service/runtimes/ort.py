"""ONNX Runtime: a batch of uint8 images in, probabilities out.

Threads are always set: ONNX Runtime's own default counts the machine's cores, not those this process may use, and
spinning workers burn the core that the next request needs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.runtimes import RuntimeUnavailable

# HEURISTIC: the default, EXHAUSTIVE, stalls for a search at every batch size it has not seen.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC"}
QUIET = 3  # errors only; the wheel warns about missing GPUs on every CPU machine


class OrtModel:
    """One inference session. `Run` is thread-safe, so calls may come from several threads."""

    name = "onnxruntime"
    version = ort.__version__

    def __init__(self, session: ort.InferenceSession, device: str, threads: int) -> None:
        self.device = device
        self.threads = threads
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[0].name]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        probabilities: NDArray[np.float32] = self._session.run(self._outputs, {self._input: images})[0]
        return probabilities


def open_model(path: Path, *, device: str, threads: int) -> OrtModel:
    """Open an ONNX file. `device="cuda"` succeeds only when the session really opened on CUDA."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device == "cpu":
        return OrtModel(ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]), "cpu", threads)
    if device != "cuda":
        raise ValueError(f"unknown device {device!r}; known are cpu, cuda")
    session = _open_on_cuda(path, options)
    return OrtModel(session, "cuda", threads)


def _open_on_cuda(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    providers = [("CUDAExecutionProvider", CUDA_OPTIONS), "CPUExecutionProvider"]
    try:
        # CUDA libraries come as Python packages (of torch, or nvidia-*); ONNX Runtime finds them only when asked.
        ort.preload_dlls()
        session = ort.InferenceSession(path, options, providers=providers)
    except Exception as error:  # the library raises bare RuntimeErrors of many kinds here
        raise RuntimeUnavailable(f"ONNX Runtime cannot use CUDA: {error}; use device=cpu") from error
    # get_available_providers() lists CUDA on machines without a GPU; only an opened session is proof.
    if "CUDAExecutionProvider" not in session.get_providers():
        raise RuntimeUnavailable(
            "ONNX Runtime did not open this model on CUDA; check the NVIDIA driver and the CUDA 13 and cuDNN 9 "
            "libraries (`pip install onnxruntime-gpu[cuda,cudnn]`), or use device=cpu"
        )
    return session
