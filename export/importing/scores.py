"""What a graph answers: probabilities, or logits that a softmax makes into some. Told by running it on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.importing.asked import ImportRefusedError

KINDS = ("logits", "probabilities")
NEAR = 1e-3  # how far the probabilities of an image may be from 1 together; float16 rounds by as much
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Scores:
    """`width` numbers of onnx type `type` per image; one number stands for the second of two classes."""

    kind: Literal["logits", "probabilities"]
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


def tell_scores(answers: Floats, said: str | None, type: int) -> Scores:  # noqa: A002 - onnx calls it so
    """What `answers` (n, width) to many images are; ImportRefusedError when it cannot be told, unless `said`."""
    if not np.isfinite(answers).all():
        raise ImportRefusedError("the graph answers with numbers that are not finite; is the normalisation right?")
    values, width = answers.astype(np.float64), answers.shape[1]
    within = bool((values >= -NEAR).all() and (values <= 1 + NEAR).all())
    sums = values.sum(axis=1)
    certain = within and (width == 1 or bool((np.abs(sums - 1) < NEAR).all()))
    if said == "logits":
        return Scores("logits", width, type, "as --scores says")
    if said == "probabilities":
        if not certain:
            raise ImportRefusedError(f"--scores probabilities: they run from {values.min():.3g} to {values.max():.3g} "
                                     f"and sum to {sums.min():.3g} to {sums.max():.3g}, and those of an image sum to 1")
        return Scores("probabilities", width, type, "as --scores says")
    if certain:
        return Scores("probabilities", width, type, f"{len(values)} images: all within 0 and 1"
                      + (" and 1 together" if width > 1 else ""))
    if within:
        raise ImportRefusedError(
            f"the scores lie within 0 and 1 but sum to {sums.min():.3g} to {sums.max():.3g}: independent scores of "
            "several labels, which no single class can be read from, or logits that happen to be small. If they are "
            "logits: --scores logits"
        )
    return Scores("logits", width, type, f"{len(values)} images: from {values.min():.3g} to {values.max():.3g}")
