"""ONNX Runtime on an NVIDIA GPU with less work per call: CUDA graphs with bound memory, and TensorRT where it is here.

A small network on a GPU spends its time on launching kernels and on copying to memory that was allocated a moment ago.
A CUDA graph replays all launches as one, but only for one shape at one address. So there is one bucket per batch size,
with memory of its own on the device; a batch goes into the smallest bucket that holds it, padded with black images, and
a larger one in pieces of the largest bucket.

ONNX Runtime keeps a captured graph for the thread that captured it: any other thread would capture it anew. And while
one is captured, memory that another thread asks of the GPU is refused. So one thread opens all models, captures all of
their buckets before they are used, and replays them.

Graphs were tried on one GPU, an H200 (docs/runtimes.md); TensorRT on none. The tests check options, buckets and padding
with a session that pretends.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.runtimes import RUNTIMES, RuntimeUnavailable
from service.runtimes.choices import session_options
from service.runtimes.ort import CUDA_OPTIONS, on_gpu

BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
GRAPH_OPTIONS = CUDA_OPTIONS | {
    "enable_cuda_graph": "1",
    "cudnn_conv_use_max_workspace": "1",  # the quick algorithms need it, and small networks have it to spare
}
TENSORRT_CACHE = Path.home() / ".cache" / "weighbridge" / "tensorrt"
LARGEST = BUCKETS[-1]
THREAD = ThreadPoolExecutor(1, thread_name_prefix="cuda-graphs")


class Bucket:
    """Memory on the device for one batch size, bound to the session's input and output; captured as graph `place`."""

    def __init__(self, session: Any, size: int, place: int, shape: tuple[int, ...], classes: int) -> None:
        self.size = size
        self._session = session
        self._images = ort.OrtValue.ortvalue_from_shape_and_type((size, *shape), np.uint8, "cuda", 0)
        self._answers = ort.OrtValue.ortvalue_from_shape_and_type((size, classes), np.float32, "cuda", 0)
        self._padded: NDArray[np.uint8] = np.zeros((size, *shape), np.uint8)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(session.get_inputs()[0].name, self._images)
        self._binding.bind_ortvalue_output(session.get_outputs()[0].name, self._answers)
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(place))

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities for at most `size` images. One call at a time: the memory is shared."""
        count = len(images)
        if count < self.size:
            self._padded[:count], self._padded[count:] = images, 0
            images = self._padded
        self._images.update_inplace(np.ascontiguousarray(images))
        self._session.run_with_iobinding(self._binding, self._options)
        answers: NDArray[np.float32] = self._answers.numpy()[:count]
        return answers


class GraphModel:
    """A session whose calls replay CUDA graphs, one at a time: graphs share the session's memory."""

    name = "onnxruntime-graphs"
    version = ort.__version__
    device = "cuda"

    def __init__(self, session: Any, threads: int) -> None:
        self.threads = threads
        self._session = session
        self._shape = tuple(session.get_inputs()[0].shape[1:])
        self._classes = int(session.get_outputs()[0].shape[1])
        self._buckets: dict[int, Bucket] = {}

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        return THREAD.submit(self._all, images).result()

    def capture(self) -> None:
        """Capture every bucket, so that no request pays for it. Calls of other models come in between."""
        for size in BUCKETS:
            self(np.zeros((size, *self._shape), np.uint8))

    def _all(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        parts = [self._part(images[start:start + LARGEST]) for start in range(0, len(images), LARGEST)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _part(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        place = next(place for place, size in enumerate(BUCKETS, 1) if size >= len(images))
        if place not in self._buckets:
            self._buckets[place] = Bucket(self._session, BUCKETS[place - 1], place, self._shape, self._classes)
        return self._buckets[place](images)


class TensorRtModel:
    """A session on TensorRT's execution provider, CUDA's behind it."""

    name = "tensorrt"
    version = ort.__version__
    device = "cuda"

    def __init__(self, session: Any, threads: int) -> None:
        self.threads = threads
        self._session = session
        self._input = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[0].name]

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes) for images (batch, height, width, channels)."""
        parts = [self._session.run(self._outputs, {self._input: images[start:start + LARGEST]})[0]
                 for start in range(0, len(images), LARGEST)]
        probabilities: NDArray[np.float32] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return probabilities


def open_graphs(path: Path, *, device: str, threads: int) -> GraphModel:  # noqa: ARG001 - an opener's signature
    """Open an ONNX file for replay; RuntimeUnavailable without CUDA, or for a graph that leaves the GPU on its way."""
    # No CPU behind it: a graph can be captured only when every node is on the device.
    providers = [("CUDAExecutionProvider", GRAPH_OPTIONS)]
    model = GraphModel(THREAD.submit(on_gpu, path, session_options(threads), providers).result(), threads)
    try:
        model.capture()
    except Exception as error:  # the library raises bare RuntimeErrors of many kinds here
        raise RuntimeUnavailable(f"ONNX Runtime cannot capture {path.name} as CUDA graphs: {error}; "
                                 "use runtime=onnxruntime") from error
    return model


def open_tensorrt(path: Path, *, device: str, threads: int) -> TensorRtModel:  # noqa: ARG001
    """Open an ONNX file on TensorRT, which builds an engine the first time and keeps it in a cache."""
    try:
        import_module("tensorrt")  # loads its libraries, which ONNX Runtime would not find by itself
    except ImportError:
        raise RuntimeUnavailable(f"tensorrt is not installed; {RUNTIMES['tensorrt'].cure}") from None
    shape, name = _input(path)
    TENSORRT_CACHE.mkdir(parents=True, exist_ok=True, mode=0o700)
    providers = [("TensorrtExecutionProvider", tensorrt_options(name, shape, TENSORRT_CACHE)),
                 ("CUDAExecutionProvider", CUDA_OPTIONS), "CPUExecutionProvider"]
    return TensorRtModel(on_gpu(path, session_options(threads), providers), threads)


def tensorrt_options(name: str, shape: tuple[int, ...], cache: Path) -> dict[str, str]:
    """One engine for every batch size from 1 to LARGEST, in float32 as the card's figures are."""
    def profile(batch: int) -> str:
        return f"{name}:" + "x".join(map(str, (batch, *shape)))

    return {
        "trt_fp16_enable": "0",
        "trt_int8_enable": "0",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(cache),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(cache),
        "trt_profile_min_shapes": profile(1),
        "trt_profile_opt_shapes": profile(32),
        "trt_profile_max_shapes": profile(LARGEST),
    }


def _input(path: Path) -> tuple[tuple[int, ...], str]:
    """Shape of one image and name of the input, read on the CPU."""
    session = ort.InferenceSession(path, session_options(1), providers=["CPUExecutionProvider"])
    found = session.get_inputs()[0]
    return tuple(found.shape[1:]), found.name
