"""Weights stored as float16 in an ONNX file: half the bytes, for a network that must travel, and the same arithmetic.

The weights are rounded *before* anything is exported or compared, so the eager network, the file and the golden vectors
are one and the same network, and the parity gate stays as tight as ever. The file holds them as float16 with a Cast to
float32, which runtimes fold away at load: nothing computes in float16.

A batch norm right after a convolution or a linear layer is folded into it first. The exporter does that in any case,
and weights that were rounded before would not be float16's any more.

What rounding costs is asked apart, on images the run held out, and never on the test split.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from export.wrapped import Wrapped
from training.datasets import load_split
from training.passes import at_once
from training.runs import Run
from training.splits import carve_for, spread

AGREEMENT = 0.995   # of the answers, at least, before and after rounding
DROP = 0.001        # of the accuracy, at most
IMAGES = 5000       # where a run held nothing out: this many it was trained on
BATCH = 250         # images in one pass, at most


class RoundingError(ValueError):
    """Rounding its weights changes what a network answers; the message says by how much."""


@dataclass(frozen=True)
class Rounding:
    """What rounding did, on `images` images of `on`: accuracies before and after, and the share of equal answers."""

    stored: str
    on: str
    images: int
    accuracy_before: float
    accuracy_after: float
    agreement: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for a card."""
        return asdict(self)


def round_weights(module: Wrapped, run: Run) -> Rounding:
    """Round the weights of `module` to float16's numbers, in place; biases and a batch norm that is left stay.

    Raises RoundingError where more than 1 - AGREEMENT of the answers change or accuracy drops by more than DROP, and
    where a weight is too large for float16.
    """
    images, labels, where = _held_out(run)
    before = _answers(module, images)
    fold_batch_norms(module)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.dim() < 2:
                continue
            weight.copy_(weight.half().float())
            if not torch.isfinite(weight).all():
                raise RoundingError(f"{run.label}: {name} holds a number beyond float16's 65,504")
    after = _answers(module, images)
    found = Rounding(
        stored="float16", on=where, images=len(labels),
        accuracy_before=float((before == labels).mean()), accuracy_after=float((after == labels).mean()),
        agreement=float((before == after).mean()),
    )
    if found.agreement < AGREEMENT or found.accuracy_before - found.accuracy_after > DROP:
        raise RoundingError(
            f"{run.label}: with float16 weights {found.agreement:.2%} of {found.images:,} answers stay (at least "
            f"{AGREEMENT:.1%}), accuracy goes from {found.accuracy_before:.2%} to {found.accuracy_after:.2%} (at most "
            f"{100 * DROP:.1f} points less); export it without --half"
        )
    return found


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm that comes right after a convolution or a linear layer of a Sequential, in place.

    `module` is in evaluation mode, and computes the same but for float32's rounding.
    """
    for part in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for at, (layer, norm) in enumerate(pairwise(list(part))):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part[at] = fuse_conv_bn_eval(layer, norm)
            elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                part[at] = fuse_linear_bn_eval(layer, norm)
            else:
                continue
            part[at + 1] = nn.Identity().eval()


def store_file_as_half(path: Path) -> int:
    """`store_as_half` on the file at `path`, in place; returns bytes saved."""
    model = onnx.load(path)
    saved = store_as_half(model)
    onnx.save(model, path)
    return saved


def store_as_half(model: onnx.ModelProto) -> int:
    """Store each float32 weight that float16 can hold exactly as float16 and a Cast, in place; returns bytes saved."""
    saved = 0
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if not np.array_equal(halved.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(halved, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT))
        saved += values.nbytes // 2
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]  # what the exporter noted of shapes; checked anew below
    onnx.checker.check_model(model, full_check=True)
    return saved


def _held_out(run: Run) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    train = load_split(run.recipe.dataset, "train")
    protocol = run.recipe.protocol(run.protocol)
    used, held = carve_for(run.recipe, protocol, train.labels, seed=run.seed)
    some = used[spread(len(used), IMAGES)]
    chosen, where = (held, "held-out images") if len(held) else (some, "training images")
    return train.images[chosen], train.labels[chosen], where


def _answers(module: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    each = at_once(BATCH, *images.shape[1:3])
    with torch.no_grad():
        parts = [module(torch.from_numpy(images[start : start + each].copy())).argmax(dim=1).numpy()
                 for start in range(0, len(images), each)]
    return np.concatenate(parts)
