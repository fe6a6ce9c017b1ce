"""CUDA graphs and TensorRT without a GPU: the options they ask for, and batches in buckets, on a session that pretends.

What a real GPU does with them is not tested here; docs/runtimes.md says what one did.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import CLASSES, probabilities, write_toy

from service.runtimes import RuntimeUnavailable, cuda
from service.runtimes.cuda import BUCKETS, GRAPH_OPTIONS, GraphModel, open_graphs, open_tensorrt, tensorrt_options
from service.runtimes.ort import CUDA_OPTIONS
from service.runtimes.script import load_torch


class FakeValue:
    """Device memory that is host memory."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.array = np.zeros(shape, dtype)

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape: tuple[int, ...], dtype: Any, device: str, number: int) -> FakeValue:
        assert (device, number) == ("cuda", 0)
        return cls(shape, dtype)

    def update_inplace(self, array: NDArray[Any]) -> None:
        assert array.shape == self.array.shape
        self.array[...] = array

    def numpy(self) -> NDArray[Any]:
        return self.array.copy()


class FakeBinding:
    def bind_ortvalue_input(self, name: str, value: FakeValue) -> None:
        assert name == "image"
        self.images = value

    def bind_ortvalue_output(self, name: str, value: FakeValue) -> None:
        assert name == "probabilities"
        self.answers = value


class FakeSession:
    """The toy, over bound memory; remembers which graph was asked for, at which batch size."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.threads: set[int] = set()
        self.io_binding = FakeBinding

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="image", shape=["batch", 4, 4, 1])]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="probabilities", shape=["batch", len(CLASSES)])]

    def run_with_iobinding(self, binding: FakeBinding, options: Any) -> None:
        self.threads.add(threading.get_ident())
        self.asked.append((options.get_run_config_entry("gpu_graph_id"), len(binding.images.array)))
        binding.answers.array[...] = probabilities(binding.images.array)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    monkeypatch.setattr(cuda.ort, "OrtValue", FakeValue)
    return FakeSession()


def images(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 31, 32, 128, 129, 300])
def test_padding_and_pieces_change_no_answer(session: FakeSession, count: int) -> None:
    found = GraphModel(session, threads=1)(images(count))

    np.testing.assert_allclose(found, probabilities(images(count)), rtol=1e-6)
    assert {size for _, size in session.asked} <= set(BUCKETS)


def test_each_bucket_is_one_graph_and_answers_of_one_call_outlive_the_next(session: FakeSession) -> None:
    model = GraphModel(session, threads=1)

    first = model(images(3))
    model(np.full((4, 4, 4, 1), 255, np.uint8))
    model(images(7))

    np.testing.assert_allclose(first, probabilities(images(3)), rtol=1e-6)
    assert [size for _, size in session.asked] == [4, 4, 8]
    assert len({graph for graph, _ in session.asked}) == 2
    assert "0" not in {graph for graph, _ in session.asked}  # what a run without a bucket would capture


def test_whoever_asks_one_thread_captures_and_replays(session: FakeSession) -> None:
    model = GraphModel(session, threads=1)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model, map(images, range(1, 20))))

    for count, probability in enumerate(found, 1):
        np.testing.assert_allclose(probability, probabilities(images(count)), rtol=1e-6)
    assert len(session.threads) == 1  # a graph is replayed only by the thread that captured it


def test_a_model_is_opened_with_every_bucket_captured(session: FakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "on_gpu", lambda *_: session)

    model = open_graphs(Path("model.onnx"), device="cuda", threads=1)
    captured = list(session.asked)
    model(images(300))

    assert [size for _, size in captured] == list(BUCKETS)
    assert {graph for graph, _ in session.asked} == {graph for graph, _ in captured}
    assert len(session.threads) == 1


def test_a_graph_that_cannot_be_captured_is_refused_with_a_cure(
    session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(cuda, "on_gpu", lambda *_: session)
    monkeypatch.setattr(session, "run_with_iobinding", fail)

    with pytest.raises(RuntimeUnavailable, match=r"stream is capturing; use runtime=onnxruntime"):
        open_graphs(Path("model.onnx"), device="cuda", threads=1)


def test_float32_on_a_gpu_is_never_rounded_to_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    load_torch("cuda")

    assert not torch.backends.cudnn.allow_tf32
    assert CUDA_OPTIONS["use_tf32"] == GRAPH_OPTIONS["use_tf32"] == "0"


def test_a_search_at_every_new_size_is_never_asked_for_and_graphs_are() -> None:
    assert GRAPH_OPTIONS["cudnn_conv_algo_search"] == "HEURISTIC"
    assert GRAPH_OPTIONS["enable_cuda_graph"] == "1"


def test_tensorrt_keeps_float32_and_one_engine_for_every_batch_size(tmp_path: Path) -> None:
    options = tensorrt_options("image", (28, 28, 1), tmp_path)

    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == ("0", "0")
    assert options["trt_profile_min_shapes"] == "image:1x28x28x1"
    assert options["trt_profile_max_shapes"] == f"image:{BUCKETS[-1]}x28x28x1"
    assert options["trt_engine_cache_path"] == str(tmp_path)


def test_without_a_gpu_both_refuse_with_a_cure(tmp_path: Path) -> None:
    if cuda.ort.get_device() == "GPU" and Path("/dev/nvidia0").exists():
        pytest.skip("a GPU is here")
    graph = write_toy(tmp_path) / "model.onnx"

    with pytest.raises(RuntimeUnavailable, match="use device=cpu"):
        open_graphs(graph, device="cuda", threads=1)
    with pytest.raises(RuntimeUnavailable, match=r"tensorrt is not installed; `pip install|use device=cpu"):
        open_tensorrt(graph, device="cuda", threads=1)
