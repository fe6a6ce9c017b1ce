"""What a graph answers: probabilities, or logits that a softmax makes into some.

Told by running it on images: probabilities sum to 1. A single score for two classes sums to nothing, and small logits
look like probabilities, so of those only the graph's own Sigmoid is believed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from export.importing.asked import ImportRefusedError
from export.importing.pixels import THROUGH

Kind = Literal["logits", "probabilities"]
KINDS: tuple[Kind, ...] = ("logits", "probabilities")
SHAPING = (*THROUGH, "Reshape", "Flatten", "QuantizeLinear", "DequantizeLinear")  # leave a number what it says
NEAR = 1e-3  # how far the probabilities of an image may be from 1 together; float16 rounds by as much
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Scores:
    """`width` numbers of onnx type `type` per image; one number stands for the second of two classes."""

    kind: Kind
    width: int
    type: int
    why: str

    def probabilities(self, answers: Floats) -> NDArray[np.float32]:
        """(n, classes) from raw answers (n, width), computed in float64."""
        values = answers.astype(np.float64)
        if self.width == 1:
            second = 1 / (1 + np.exp(-values)) if self.kind == "logits" else values
            values = np.concatenate([1 - second, second], axis=1)
        elif self.kind == "logits":
            exp = np.exp(values - values.max(axis=1, keepdims=True))
            values = exp / exp.sum(axis=1, keepdims=True)
        return values.astype(np.float32)


def check_shape(shape: tuple[int, ...], classes: int) -> int:
    """The scores per image in an answer of `shape` to one image; ImportRefusedError for what no classifier answers."""
    kept = [size for size in shape if size != 1]
    if len(kept) > 1:
        raise ImportRefusedError(f"the output is {shape} for one image: several answers per image, as of a detector, a "
                                 "segmenter or a text reader. Served are classifiers, with one score per class")
    width = kept[0] if kept else 1
    if width != classes and not (width == 1 and classes == 2):
        raise ImportRefusedError(f"the graph gives {width} scores and {classes} classes are named; name each, in the "
                                 "order of the outputs")
    return width


def ends_in_sigmoid(model: onnx.ModelProto, output: str) -> bool:
    """Whether the last operation that makes the numbers of `output` is a Sigmoid."""
    makers = {name: node for node in model.graph.node for name in node.output}
    while (node := makers.get(output)) is not None and node.op_type in SHAPING:
        output = node.input[0]
    return node is not None and node.op_type in ("Sigmoid", "QLinearSigmoid")


def kind_of_one(values: Floats, said: str | None, *, sigmoid: bool) -> Kind:
    """What one score for two classes is, by all `values` of it: as `said`, or as the graph or its numbers tell.

    ImportRefusedError where they do not: within 0 and 1, without a Sigmoid.
    """
    if said is not None:
        return "logits" if said == "logits" else "probabilities"
    if sigmoid:
        return "probabilities"
    if _within(values):
        raise ImportRefusedError(
            f"its one score runs from {values.min():.3g} to {values.max():.3g}, as probabilities do and small logits "
            "may, and the graph does not end in a Sigmoid; say --scores probabilities, or --scores logits"
        )
    return "logits"


def tell_scores(
    answers: Floats, said: str | None, type: int, *, sigmoid: bool  # noqa: A002 - onnx calls it so
) -> Scores:
    """What `answers` (n, width) to many images are; ImportRefusedError when it cannot be told, unless `said`.

    `sigmoid` says whether the graph ends in one.
    """
    if not np.isfinite(answers).all():
        raise ImportRefusedError("the graph answers with numbers that are not finite; is the normalisation right?")
    values, width = answers.astype(np.float64), answers.shape[1]
    within = _within(values)
    sums = values.sum(axis=1)
    certain = within and (width == 1 or bool((np.abs(sums - 1) < NEAR).all()))
    if said == "logits":
        return Scores("logits", width, type, "as --scores says")
    if said == "probabilities":
        if not certain:
            raise ImportRefusedError(f"--scores probabilities: they run from {values.min():.3g} to {values.max():.3g} "
                                     f"and sum to {sums.min():.3g} to {sums.max():.3g}, and those of an image sum to 1")
        return Scores("probabilities", width, type, "as --scores says")
    if width == 1:
        kind = kind_of_one(values, said, sigmoid=sigmoid)
        why = "the graph ends in a Sigmoid" if sigmoid else _ranging(values)
        return Scores(kind, width, type, why)
    if certain:
        return Scores("probabilities", width, type, f"{len(values)} images: all within 0 and 1 and 1 together")
    if within:
        raise ImportRefusedError(
            f"the scores lie within 0 and 1 but sum to {sums.min():.3g} to {sums.max():.3g}: independent scores of "
            "several labels, which no single class can be read from, or logits that happen to be small. If they are "
            "logits: --scores logits"
        )
    return Scores("logits", width, type, _ranging(values))


def _within(values: Floats) -> bool:
    return bool((values >= -NEAR).all() and (values <= 1 + NEAR).all())


def _ranging(values: Floats) -> str:
    return f"{len(values)} images: from {values.min():.3g} to {values.max():.3g}"
