"""An ONNX file from elsewhere, read with suspicion: nothing outside its folder, no operator that cannot be executed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model

from export.importing.asked import ImportRefusedError

# "" and ai.onnx are ONNX itself; the others are what ONNX Runtime has beside it.
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
OLDEST = 7                  # ONNX Runtime promises no older operator set
LARGEST = 1_900_000_000     # bytes; one protobuf message holds 2 GB


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model with all its weights inside. ImportRefusedError says what cannot be served, and the cure."""
    if not path.is_file():
        raise ImportRefusedError(f"there is no file {path}")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own, which comes without types
        raise ImportRefusedError(f"{path} is no ONNX file: {error}") from error
    if not model.graph.node:
        raise ImportRefusedError(f"{path} is no ONNX file, or its graph is empty")
    _refuse_custom(model, path)
    _take_in(model, path)
    opset = opset_of(model)
    if opset < OLDEST:
        raise ImportRefusedError(
            f"{path} has operator set {opset}, and ONNX Runtime executes {OLDEST} and newer; convert it: "
            f"onnx.version_converter.convert_version(model, 17)"
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ImportRefusedError(f"{path} is not valid ONNX: {str(error).strip().partition(chr(10))[0]}") from error
    return model


def opset_of(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model asks for."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, also those of the graphs within If, Loop and Scan."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from nodes_of(inner)


def _refuse_custom(model: onnx.ModelProto, path: Path) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    custom = sorted({f"{node.domain}.{node.op_type}" for node in nodes_of(model.graph)
                     if node.domain not in DOMAINS and (node.domain, node.op_type) not in own})
    if custom:
        raise ImportRefusedError(f"{path} uses custom operators that ONNX Runtime does not have: {', '.join(custom)}; "
                                 "export it without them")


def _take_in(model: onnx.ModelProto, path: Path) -> None:
    """Read the weights that lie beside the file; ImportRefusedError for any that lie elsewhere."""
    folder = path.parent.resolve()
    places = {entry.value for tensor in _tensors(model) if tensor.data_location == onnx.TensorProto.EXTERNAL
              for entry in tensor.external_data if entry.key == "location"}
    total = path.stat().st_size
    for place in sorted(places):
        beside = (folder / place).resolve()
        if Path(place).is_absolute() or not beside.is_relative_to(folder):
            raise ImportRefusedError(f"{path} wants its weights from {place!r}, outside its own folder; put them "
                                     "beside it and export it again")
        if not beside.is_file():
            raise ImportRefusedError(f"{path} has its weights in {place!r}, which is not beside it; get that file too")
        total += beside.stat().st_size
    if total > LARGEST:
        raise ImportRefusedError(f"{path} has {total / 1e9:.1f} GB of weights; an artifact is one file of at most "
                                 f"{LARGEST / 1e9:.1f} GB")
    if places:
        load_external_data_for_model(model, str(folder))


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from model.graph.initializer
    graphs = [model.graph, *(attribute.g for node in nodes_of(model.graph) for attribute in node.attribute)]
    for graph in graphs[1:]:
        yield from graph.initializer
    for node in nodes_of(model.graph):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
