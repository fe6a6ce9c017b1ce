"""The smallest honest artifact: a two-class ONNX graph whose right answer anyone can check by hand.

    P("bright") = sigmoid(mean pixel / 255 * 8 - 4)

so an all-black image is "dark" with 0.982, an all-white one is "bright" with 0.982, and mid-grey is a toss-up.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from service.card import Golden, InputSpec, ModelCard, ModelFile, sha256_of, write_card

CLASSES = ("dark", "bright")


def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the toy answers, in numpy."""
    bright = images.reshape(len(images), -1).mean(axis=1) / 255 * 8 - 4
    logits = np.stack([np.zeros_like(bright), bright], axis=1)
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32)


def write_toy(
    root: Path, name: str = "toy", version: int = 1, *, height: int = 4, width: int = 4, channels: int = 1
) -> Path:
    """Write `root/name/version/` with model.onnx, golden.npz and card.json; return the folder."""
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    onnx.save(_graph(height, width, channels), folder / "model.onnx")
    images = np.random.default_rng(version).integers(0, 256, (8, height, width, channels), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, images=images, probabilities=probabilities(images))
    (folder / "golden.npz").write_bytes(buffer.getvalue())
    write_card(
        folder,
        ModelCard(
            name=name,
            version=version,
            description="says whether an image is dark or bright",
            architecture="toy",
            parameters=2,
            input=InputSpec(height=height, width=width, channels=channels),
            classes=CLASSES,
            files=(
                ModelFile(
                    format="onnx",
                    path="model.onnx",
                    size_bytes=(folder / "model.onnx").stat().st_size,
                    sha256=sha256_of(folder / "model.onnx"),
                ),
            ),
            golden=Golden(
                path="golden.npz", sha256=sha256_of(folder / "golden.npz"), count=len(images), tolerance=1e-5
            ),
        ),
    )
    return folder


def _graph(height: int, width: int, channels: int) -> onnx.ModelProto:
    def constant(name: str, value: NDArray[np.float32] | NDArray[np.int64]) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(value, name)

    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", height, width, channels])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(CLASSES)])],
        [
            constant("axes", np.array([1, 2, 3], dtype=np.int64)),
            constant("column", np.array([-1, 1], dtype=np.int64)),
            constant("scale", np.array([[0, 8 / 255]], dtype=np.float32)),
            constant("shift", np.array([[0, -4]], dtype=np.float32)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model
