"""ONNX Runtime: a batch of uint8 images in, probabilities out.

Threads are always set: ONNX Runtime's own default counts the machine's cores, not those this process may use, and
spinning workers burn the core that the next request needs. Where `python -m service tune` measured another setting to
be quicker for a graph on this machine, that one is taken.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.runtimes import RuntimeUnavailable
from service.runtimes.choices import USUAL, choice_for, session_options

CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",  # the default, EXHAUSTIVE, searches at every batch size it has not seen
    "use_tf32": "0",                        # the default, 1, keeps ten bits of each factor: not what the card measured
}
logger = logging.getLogger("weighbridge")


class OrtModel:
    """One inference session. `Run` is thread-safe, so calls may come from several threads."""

    version = ort.__version__

    def __init__(self, session: ort.InferenceSession, device: str, threads: int, name: str = "onnxruntime") -> None:
        self.name = name
        self.device = device
        self.threads = threads
        # InferenceSession.run checks on every call what cannot change once a model is open: 1 us of a small one's 7.
        self._run = getattr(session, "_sess", session).run
        self._input = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[0].name]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        probabilities: NDArray[np.float32] = self._run(self._outputs, {self._input: images}, None)[0]
        return probabilities


def open_model(path: Path, *, device: str, threads: int) -> OrtModel:
    """Open an ONNX file. `device="cuda"` succeeds only when the session really opened on CUDA."""
    if device == "cpu":
        choice = choice_for(path, threads)
        if choice != USUAL:
            logger.info("%s is opened with %s, which was measured to be quicker here", path, choice)
        return OrtModel(on_cpu(path, session_options(threads, choice)), "cpu", threads)
    providers = [("CUDAExecutionProvider", CUDA_OPTIONS), "CPUExecutionProvider"]
    return OrtModel(on_gpu(path, session_options(threads), providers), "cuda", threads)


def open_int8(path: Path, *, device: str, threads: int) -> OrtModel:  # noqa: ARG001 - an opener's signature
    """Open a quantised ONNX file (QDQ) on the CPU: its matrix products run in int8.

    Without VNNI instructions the CPU's products of unsigned and signed bytes may saturate; the golden vectors of the
    file, measured on a machine where it was quicker, refuse such a machine.
    """
    return OrtModel(on_cpu(path, session_options(threads)), "cpu", threads, "onnxruntime-int8")


def on_cpu(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    """A session on the CPU."""
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def on_gpu(path: Path, options: ort.SessionOptions, providers: list[Any]) -> ort.InferenceSession:
    """A session that really opened on the first of `providers`, (name, options); else RuntimeUnavailable."""
    try:
        # CUDA libraries come as Python packages (of torch, or nvidia-*); ONNX Runtime finds them only when asked.
        ort.preload_dlls()
        session = ort.InferenceSession(path, options, providers=providers)
    except Exception as error:  # the library raises bare RuntimeErrors of many kinds here
        raise RuntimeUnavailable(f"ONNX Runtime cannot use CUDA: {error}; use device=cpu") from error
    # get_available_providers() lists CUDA on machines without a GPU; only an opened session is proof.
    if providers[0][0] not in session.get_providers():
        raise RuntimeUnavailable(
            f"ONNX Runtime did not open this model on {providers[0][0]}; check the NVIDIA driver and the CUDA 13 and "
            "cuDNN 9 libraries (`pip install onnxruntime-gpu[cuda,cudnn]`), or use device=cpu"
        )
    return session
