"""A wrapped network as one ONNX file, checked to be what was asked for.

The exporter accepts several wishes silently without granting them (an old opset, a train-mode dropout, weights in a
second file, a fixed batch), so the written graph is read again and each of them is verified.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from export.wrapped import Wrapped, refuse_train_mode

OPSET = 20
INPUT = "image"
OUTPUT = "probabilities"


def to_onnx(module: Wrapped, example: torch.Tensor, path: Path, metadata: Mapping[str, str]) -> None:
    """Write `module` to `path` with a dynamic batch axis; `example` is a uint8 NHWC batch, `metadata` goes inside.

    Raises ValueError when the module is in train mode or the written graph is not what this file promises.
    """
    refuse_train_mode(module)
    with warnings.catch_warnings():
        # torch's own use of its tree utilities; nothing a caller could change.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"image": {0: "batch"}},
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.producer_name = "weighbridge"
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(metadata))
    for node in model.graph.node:  # stack traces of the exporting machine: paths, half of a small file's size
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]  # shapes of what lies between, which every runtime infers: a tenth of a small file
    onnx.checker.check_model(model, full_check=True)
    _refuse_surprises(model)
    onnx.save(model, path)


def _refuse_surprises(model: onnx.ModelProto) -> None:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != OPSET:
        raise ValueError(f"asked for opset {OPSET}, the exporter wrote {opsets}")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ValueError("the exporter put weights into a second file; an artifact is one file")
    if dropouts := [node.name for node in model.graph.node if node.op_type == "Dropout"]:
        raise ValueError(f"the graph contains {len(dropouts)} Dropout nodes: it was exported in train mode")
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    if not batch.dim_param:
        raise ValueError(f"the batch axis is fixed at {batch.dim_value}; it must be dynamic")
