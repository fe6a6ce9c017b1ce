"""What the list of runtimes promises: where each can run, and a reason with a cure where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from service import runtimes
from service.oip.about import PLATFORMS
from service.runtimes import RUNTIMES, RuntimeSpec, RuntimeUnavailable, missing, open_model


def test_every_runtime_has_a_word_in_the_open_inference_protocol() -> None:
    assert set(PLATFORMS) == set(RUNTIMES)


@pytest.mark.parametrize("runtime", ["onnxruntime-graphs", "tensorrt"])
def test_what_needs_a_gpu_says_so_without_being_imported(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "gpu_here", lambda: False)

    assert missing(runtime) == "it runs on an NVIDIA GPU only, and none is here"
    with pytest.raises(RuntimeUnavailable, match=f"{runtime} runs on cuda, not on cpu"):
        open_model(runtime, tmp_path / "model.onnx")


@pytest.mark.parametrize("runtime", ["onnxruntime-int8", "openvino", "torchexport", "aotinductor"])
def test_what_runs_on_the_cpu_alone_refuses_cuda(runtime: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=f"{runtime} runs on cpu, not on cuda"):
        open_model(runtime, tmp_path / "model.onnx", device="cuda")


def test_an_archive_that_cannot_be_moved_to_a_gpu_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"not on cuda: the archive asserts .* where it was exported"):
        open_model("torchexport", tmp_path / "model.pt2", device="cuda")


def test_a_missing_package_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RuntimeSpec(format="onnx", needs="no_such_module", opener="no:where", cure="`pip install it`")
    monkeypatch.setitem(RUNTIMES, "absent", spec)

    assert missing("absent") == "no_such_module is not installed; `pip install it`"


def test_an_unknown_runtime_or_device_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown runtime 'abacus'; known are onnxruntime, "):
        open_model("abacus", tmp_path)
    with pytest.raises(ValueError, match="unknown device 'tpu'; known are cpu, cuda"):
        open_model("onnxruntime", tmp_path, device="tpu")
