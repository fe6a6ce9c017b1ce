"""What one call of a graph must do, counted from the ONNX file by the shapes that are inferred: operations and bytes.

Counted are convolutions and matrix products: a multiplication and an addition are two operations, in int8 where both
sides come out of a DequantizeLinear. Each of them reads its input and its weights and writes its output once, in the
type the graph has there. What lies between (activations, pooling, scaling) is told apart as `other`: a runtime may fuse
it into its neighbours, so a limit counts nothing for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

PRODUCTS = ("Conv", "Gemm", "MatMul")
MOVES = {  # what only renames, rounds or moves numbers
    "Cast", "Concat", "Constant", "DequantizeLinear", "Expand", "Flatten", "Gather", "Identity", "Pad",
    "QuantizeLinear", "Reshape", "Shape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze",
}
BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}  # per element, by TensorProto.DataType
INSTALL = "onnx is not installed; run it with .venv/bin/python (`make setup` makes that)"


class CountError(ValueError):
    """A graph cannot be counted; the message says why."""


@dataclass(frozen=True)
class Work:
    """Of one call: operations of the products in each type, other operations, and bytes the products must move."""

    float32_ops: int
    int8_ops: int
    other_ops: int
    moved_bytes: int

    @property
    def ops(self) -> int:
        """Of all products."""
        return self.float32_ops + self.int8_ops

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.ops / self.moved_bytes


def load_onnx() -> Any:
    """The module, imported now; CountError with the cure where it is not installed."""
    try:
        return import_module("onnx")
    except ImportError:
        raise CountError(INSTALL) from None


def count(path: Path, batch: int) -> Work:
    """The work of one call on `batch` images; CountError where a shape stays unknown."""
    onnx = load_onnx()
    graph = _Shaped(onnx, onnx.load(path), batch)
    float32 = int8 = other = moved = 0
    for node in graph.nodes:
        if node.op_type in PRODUCTS:
            ops = 2 * math.prod(graph.shape(node.output[0])) * _terms(graph, node)
            if all(graph.made_by(name) == "DequantizeLinear" for name in node.input[:2]):
                int8 += ops
            else:
                float32 += ops
            moved += sum(map(graph.stored_bytes, [name for name in node.input if name]))
            moved += graph.written_bytes(node.output[0])
        elif node.op_type not in MOVES:
            other += _other(graph, node)
    if not moved:
        raise CountError(f"{path}: no convolution and no matrix product is in it")
    return Work(float32, int8, other, moved)


class _Shaped:
    """A graph whose every tensor has a shape."""

    def __init__(self, onnx: Any, model: Any, batch: int) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.shape.Clear()
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        self.nodes: Sequence[Any] = inferred.node
        self._known: dict[str, tuple[tuple[int, ...], int]] = {
            tensor.name: (tuple(tensor.dims), tensor.data_type) for tensor in inferred.initializer}
        for value in (*inferred.input, *inferred.value_info, *inferred.output):
            kind = value.type.tensor_type
            self._known.setdefault(value.name, (tuple(dim.dim_value for dim in kind.shape.dim), kind.elem_type))
        self._maker = {name: node for node in self.nodes for name in node.output}
        self._users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self._users.setdefault(name, []).append(node)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor; CountError while any of its sides is unknown."""
        shape, _ = self._known.get(name, ((0,), 0))
        if 0 in shape:
            raise CountError(f"the shape of {name} cannot be inferred ({shape})")
        return shape

    def made_by(self, name: str) -> str:
        """The operator that made a tensor; nothing for inputs and weights."""
        return self._maker[name].op_type if name in self._maker else ""

    def stored_bytes(self, name: str) -> int:
        """Bytes of a tensor where it is read: of what a DequantizeLinear reads, for what one made."""
        if self.made_by(name) == "DequantizeLinear":
            name = self._maker[name].input[0]
        return math.prod(self.shape(name)) * BYTES[self._known[name][1]]

    def written_bytes(self, name: str) -> int:
        """Bytes of a tensor where it is written: one each where everybody who reads it quantises it first."""
        users = self._users.get(name, [])
        if users and all(node.op_type == "QuantizeLinear" for node in users):
            return math.prod(self.shape(name))
        return self.stored_bytes(name)

    def attribute(self, node: Any, name: str) -> list[int]:
        """A node's list of whole numbers; empty where it has none of that name."""
        return next((list(each.ints) for each in node.attribute if each.name == name), [])

    def flag(self, node: Any, name: str) -> int:
        """A node's whole number; 0 where it has none of that name."""
        return next((int(each.i) for each in node.attribute if each.name == name), 0)


def _terms(graph: _Shaped, node: Any) -> int:
    """Multiplications for each number of a product's output."""
    if node.op_type == "Conv":  # weights (out, in / groups, height, width)
        return math.prod(graph.shape(node.input[1])[1:])
    one = graph.shape(node.input[0])
    return one[-2] if node.op_type == "Gemm" and graph.flag(node, "transA") else one[-1]


def _other(graph: _Shaped, node: Any) -> int:
    """Operations of anything else: one for each number it gives, or reads where it gives fewer."""
    made = sum(math.prod(graph.shape(name)) for name in node.output if name and name in graph._known)
    if kernel := graph.attribute(node, "kernel_shape"):
        return made * math.prod(kernel)
    return max(made, math.prod(graph.shape(node.input[0])) if node.input else 0)
