"""The gate that every exported file passes: what it must not let through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import write_toy

from export.parity import ParityError, check_parity
from service.runtimes import open_model


def test_a_network_that_answers_nothing_is_no_measure_of_its_file(tmp_path: Path) -> None:
    graph = write_toy(tmp_path) / "model.onnx"
    toy = open_model("onnxruntime", graph)
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)

    def nothing(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.full_like(toy(batch), np.nan)

    assert check_parity(toy, graph, format="onnx", runtime="onnxruntime", images=images).max_abs_diff == 0
    with pytest.raises(ParityError, match="eager: not every probability is finite"):
        check_parity(nothing, graph, format="onnx", runtime="onnxruntime", images=images)
