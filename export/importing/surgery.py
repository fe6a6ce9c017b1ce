"""A foreign graph as ours: uint8 NHWC images in, probabilities out, normalisation inside, any number of images.

    image -> numbers -> the graph as it came -> scores -> probabilities

The graph's own batch axis is used where it has one that works, which is tried, not believed: a symbolic axis may hide a
constant, and a fixed one may be fixed in its name only. Where it does not, a Scan takes the images one by one, so that
every server and every benchmark can send what it likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from export.importing.asked import ImportRefusedError
from export.importing.onnx_file import opset_of
from export.importing.pixels import Pixels, constants_of
from export.importing.scores import Scores
from export.importing.signature import Signature
from export.to_onnx import INPUT, OUTPUT

PREFIX = "model/"
OLDEST_SCAN = 9
INTERMEDIATE = 8  # the oldest version of the file format in which weights need not be inputs, and functions exist


def wrapped(
    model: onnx.ModelProto, signature: Signature, pixels: Pixels, scores: Scores, classes: Sequence[str], *,
    one_by_one: bool,
) -> onnx.ModelProto:
    """The graph to serve; with `one_by_one`, a Scan runs `model` on single images. ImportRefusedError if it cannot."""
    inner = compose.add_prefix(model, PREFIX)
    given, answered = PREFIX + signature.input, PREFIX + signature.output
    made = _Made()
    numbers = _numbers(made, signature, pixels)
    if one_by_one:
        if opset_of(model) < OLDEST_SCAN:
            raise ImportRefusedError(f"the graph takes one image at a time, and its operator set, {opset_of(model)}, "
                                     "has no Scan; export it with a batch axis")
        found = _scanned(made, inner.graph, numbers, given, answered, signature)
    else:
        made.node("Reshape", [numbers, made.constant(np.array([-1, *signature.image]))], given)
        made.nodes.extend(inner.graph.node)
        made.weights.extend(inner.graph.initializer)
        found = answered
    _probabilities(made, found, scores, len(classes))
    graph = helper.make_graph(
        made.nodes, "weighbridge",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["batch", *signature.spec.shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", len(classes)])],
        made.weights,
    )
    result = helper.make_model(
        graph, opset_imports=inner.opset_import, functions=inner.functions,
        ir_version=max(model.ir_version, INTERMEDIATE), producer_name="weighbridge",
    )
    for node in result.graph.node:
        node.doc_string = ""
    try:
        onnx.checker.check_model(result)
    except onnx.checker.ValidationError as error:
        raise ImportRefusedError(f"the graph cannot be put into another: {error}") from error
    return result


def freed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose batch axis is open: in the input, the outputs, and every Reshape that names a batch of one."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    weights = {tensor.name: tensor for tensor in copy.graph.initializer}
    for value in [*copy.graph.input, *copy.graph.output]:
        shape = value.type.tensor_type.shape
        if value.name not in weights and shape.dim:
            shape.dim[0].dim_param = "batch"
    constants = constants_of(copy.graph)
    for node in copy.graph.node:
        if node.op_type != "Reshape":
            continue
        shape = constants.get(node.input[1])
        if shape is not None and shape.ndim == 1 and len(shape) and shape[0] == 1:
            # 0 keeps the size of the first axis, and leaves -1 to whoever uses it already.
            name = f"{node.input[1]}/any-batch"
            if name not in weights:
                tensor = numpy_helper.from_array(np.array([0, *shape[1:]], np.int64), name)
                copy.graph.initializer.append(tensor)
                weights[name] = tensor
            node.input[1] = name
            if 0 not in shape:  # `allowzero` would take ours for an empty axis
                kept = [entry for entry in node.attribute if entry.name != "allowzero"]
                del node.attribute[:]
                node.attribute.extend(kept)
    return copy


class _Made:
    """Nodes and weights of ours, with names that no foreign one has."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        name = output or f"weighbridge/{kind.lower()}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"weighbridge/{len(self.nodes)}", **attributes))
        return name

    def constant(self, value: NDArray[np.generic]) -> str:
        """Add a weight; returns its name."""
        name = f"weighbridge/constant-{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name


def _numbers(made: _Made, signature: Signature, pixels: Pixels) -> str:
    """Images as the network's numbers, in its order of axes, before its own shape."""
    found = INPUT
    if pixels.bgr:
        found = made.node("Gather", [found, made.constant(np.array([2, 1, 0]))], axis=3)
    if signature.type == TensorProto.UINT8 and pixels.raw:
        return made.node("Transpose", [found], perm=[0, 3, 1, 2]) if signature.channels_first else found
    found = made.node("Cast", [found], to=TensorProto.FLOAT)
    if not pixels.raw:
        found = made.node("Mul", [found, made.constant(pixels.scale)])
        found = made.node("Add", [found, made.constant(pixels.shift)])
    if signature.channels_first:
        found = made.node("Transpose", [found], perm=[0, 3, 1, 2])
    return found if signature.type == TensorProto.FLOAT else made.node("Cast", [found], to=signature.type)


def _scanned(
    made: _Made, graph: onnx.GraphProto, numbers: str, given: str, answered: str, signature: Signature
) -> str:
    """The scores (batch, ...) of a Scan whose body is `graph` on one image."""
    body = _Made()
    lead = [] if signature.batch is None else [1]
    body.node("Reshape", ["weighbridge/one", body.constant(np.array([*lead, *signature.image]))], given)
    body.nodes.extend(graph.node)
    flat = body.node("Reshape", [answered, body.constant(np.array([-1]))], "weighbridge/answer")
    sizes = list(signature.spec.shape)
    shape = [sizes[2], *sizes[:2]] if signature.channels_first else sizes
    kind = next(value.type.tensor_type.elem_type for value in graph.output if value.name == answered)
    for tensor in body.weights:  # inner names must not repeat outer ones
        tensor.name = tensor.name.replace("weighbridge/", "weighbridge/inner-")
    for node in body.nodes:
        for place, name in enumerate(node.input):
            if name.startswith("weighbridge/constant-"):
                node.input[place] = name.replace("weighbridge/", "weighbridge/inner-")
    inner = helper.make_graph(
        body.nodes, "one-image",
        [helper.make_tensor_value_info("weighbridge/one", signature.type, shape)],
        [helper.make_tensor_value_info(flat, kind, [None])],
        [*body.weights, *graph.initializer],
    )
    return made.node("Scan", [numbers], "weighbridge/answers", body=inner, num_scan_inputs=1)


def _probabilities(made: _Made, found: str, scores: Scores, classes: int) -> None:
    """From what the graph answers to float32 probabilities (batch, classes)."""
    if scores.type != TensorProto.FLOAT:
        found = made.node("Cast", [found], to=TensorProto.FLOAT)
    found = made.node("Reshape", [found, made.constant(np.array([-1, scores.width]))])
    if scores.kind == "logits" and scores.width == 1:
        found = made.node("Sigmoid", [found])
    if scores.width == 1:  # of two classes, the probability of the second
        other = made.node("Sub", [made.constant(np.array([[1]], np.float32)), found])
        made.node("Concat", [other, found], OUTPUT, axis=1)
    elif scores.kind == "logits":
        made.node("Softmax", [found], OUTPUT, axis=1)
    else:
        made.node("Identity", [found], OUTPUT)
    assert scores.width in (1, classes)  # refused before
