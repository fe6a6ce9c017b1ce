"""What a graph costs: its parameters, and the multiply-accumulates of one image."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import shape_inference

from export.importing.pixels import constants_of
from export.importing.signature import Signature

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def parameters(model: onnx.ModelProto) -> int:
    """Numbers in the weights; of quantised ones too, of shapes and axes not."""
    return sum(array.size for array in constants_of(model.graph).values()
               if array.dtype != np.int64 and array.dtype != np.bool_ and array.ndim)


def macs(model: onnx.ModelProto, signature: Signature) -> int | None:
    """Products of convolutions and matrices for one image, as for our own networks; None where a shape is unknown."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        if value.name == signature.input:
            lead = () if signature.batch is None else (1,)
            for axis, size in zip(value.type.tensor_type.shape.dim, (*lead, *signature.image), strict=True):
                axis.dim_value = size
    try:
        graph = shape_inference.infer_shapes(copy, data_prop=True).graph
    except Exception:  # noqa: BLE001 - a figure that is nice to have
        return None
    shapes = {value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
              for value in [*graph.value_info, *graph.output, *graph.input]}
    shapes |= {name: array.shape for name, array in constants_of(graph).items()}
    if any(node.op_type.startswith(("QLinear", "ConvInteger", "MatMulInteger")) for node in graph.node):
        return None
    total = 0
    for node in graph.node:
        if node.op_type not in PRODUCTS:
            continue
        out, left = shapes.get(node.output[0], ()), shapes.get(node.input[0], ())
        weight = shapes.get(node.input[1], ())
        if not out or 0 in out or not left or 0 in left or not weight or 0 in weight:
            return None
        if node.op_type == "Conv":
            total += math.prod(out) * math.prod(weight[1:])
        elif node.op_type == "ConvTranspose":
            total += math.prod(left) * math.prod(weight[1:])
        else:
            turned = any(entry.name == "transA" and entry.i for entry in node.attribute)
            total += math.prod(out) * left[0 if turned else -1]
    return total
