"""An ONNX graph in int8: what its numbers range over is learned from images, then weights and activations are rounded.

Static quantisation in QDQ form: unsigned activations, one scale for each tensor; signed weights, one scale for each
output channel. That is the pairing whose products CPUs with VNNI have an instruction for. Softmax and what a plan
leaves out stay float32. Knows nothing of accuracy, speed or cards.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

PRODUCTS = ("Conv", "Gemm", "MatMul")
BATCH = 50

# What of a graph becomes int8. The first product sees one or three channels: int8 has nothing to gain there, and it
# works on the pixels themselves, where rounding costs most.
PLANS: dict[str, Callable[[onnx.ModelProto], dict[str, Any]]] = {
    "products but the first": lambda graph: {
        "op_types_to_quantize": list(PRODUCTS), "nodes_to_exclude": products(graph)[:1],
    },
    "everything": lambda _: {},
}


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Batches of images, as the library asks for them."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._batches = iter({name: images[start:start + BATCH]} for start in range(0, len(images), BATCH))

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self._batches, None)


def quantize(source: Path, target: Path, images: NDArray[np.uint8], plan: str) -> None:
    """Write the graph at `source` to `target` in int8 by a plan of PLANS; uint8 `images` (n, h, w, c) calibrate it."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-quantize-") as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)  # folds batch norm into products
        graph = onnx.load(prepared)
        quantize_static(
            str(prepared), str(target), _Images(graph.graph.input[0].name, images), quant_format=QuantFormat.QDQ,
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax, **PLANS[plan](graph),
        )
    model = onnx.load(target)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {entry.key: entry.value for entry in onnx.load(source).metadata_props} | {
        "quantisation": f"int8 QDQ, {plan}"})
    onnx.save(model, target)


def products(model: onnx.ModelProto) -> list[str]:
    """Names of its convolutions and matrix products, first to last."""
    return [node.name for node in model.graph.node if node.op_type in PRODUCTS]


@contextmanager
def _quiet() -> Iterator[None]:
    """The library recommends on the root logger what was just done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
