"""A model from elsewhere, understood: what it takes, what it answers, and how to run it as it came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from export.golden import clouds
from export.importing import pixels as normalisation
from export.importing.asked import Asked, ImportRefusedError
from export.importing.labelled import read_labelled
from export.importing.onnx_file import read_onnx
from export.importing.pixels import Pixels
from export.importing.reference import Answers, Run, answers, opened
from export.importing.scores import Scores, check_shape, ends_in_sigmoid, tell_scores
from export.importing.signature import Signature, read_classes, read_signature
from export.importing.torch_file import SUFFIXES, Exported, from_library, from_torchscript
from export.importing.trials import choose, with_said_order
from service.card import sha256_of
from training.datasets import Split

LOOKED_AT = 16  # images that tell logits from probabilities


@dataclass(frozen=True)
class Foreign:
    """Everything that was found out. `sha256` is of the file that the weights came in; `samples` decided about the
    normalisation, where they did."""

    model: onnx.ModelProto
    run: Run
    signature: Signature
    pixels: Pixels
    scores: Scores
    classes: tuple[str, ...]
    kind: str
    sha256: str
    told: tuple[str, ...]
    samples: Split | None

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, classes) for uint8 (n, height, width, channels), by the model as it came, image by image."""
        return self.scores.probabilities(answers(self.run, images, self.signature, self.pixels))


def understand(asked: Asked) -> Foreign:
    """Read the model and find out how it is used; ImportRefusedError names what is missing or does not fit."""
    path = Path(asked.source)
    suffix = path.suffix.lower()
    exported: Exported | None = None
    if suffix == ".onnx":
        model, kind, file = read_onnx(path), "onnx", path
    elif suffix in SUFFIXES:
        exported, file = from_torchscript(path, asked), path
    elif ":" in asked.source and not path.exists():
        names, _ = read_classes(asked.classes, onnx.ModelProto())
        exported = from_library(asked, len(names))
        assert asked.weights is not None  # refused before
        file = asked.weights
    else:
        raise ImportRefusedError(f"{asked.source} is no model that is known here: give FILE.onnx, a TorchScript "
                                 "FILE.pt, or timm:NAME, torchvision:NAME or module:function with --weights FILE")
    if exported is not None:
        model, kind = exported.model, exported.kind
        if asked.layout not in (None, "NCHW"):
            raise ImportRefusedError(f"--layout {asked.layout}: networks of PyTorch take NCHW")
    signature = read_signature(model, asked)
    classes, from_where = read_classes(asked.classes, model)
    run = exported.run if exported is not None else opened(model, signature.input, signature.output)
    width = _width(run, signature, len(classes))
    pixels, samples = _pixels(model, run, signature, asked, classes, exported)
    images = clouds(LOOKED_AT, signature.spec.shape)
    images[0], images[1] = 0, 255
    scores = tell_scores(answers(run, images, signature, pixels), asked.scores, _type(model, signature),
                         sigmoid=ends_in_sigmoid(model, signature.output))
    assert scores.width == width
    told = (*signature.why, f"{len(classes)} classes: {from_where}", f"pixels {described(pixels)}: {pixels.why}",
            f"{scores.kind}: {scores.why}")
    return Foreign(model, run, signature, pixels, scores, classes, kind, sha256_of(file), told, samples)


def described(pixels: Pixels) -> str:
    """A normalisation in words."""
    order = ", as BGR" if pixels.bgr else ""
    if pixels.raw:
        return f"as they are, 0..255{order}"
    numbers = (", ".join(f"{value:.4g}" for value in values) for values in (pixels.mean, pixels.std))
    return "with mean {} and deviation {}{}".format(*numbers, order)


def _pixels(
    model: onnx.ModelProto, run: Run, signature: Signature, asked: Asked, classes: tuple[str, ...],
    exported: Exported | None,
) -> tuple[Pixels, Split | None]:
    """Said, or in the graph, or its library's own, or tried; in this order, and never assumed."""
    if (pixels := normalisation.said(asked, signature.channels)) is not None:
        return pixels, None
    if (pixels := normalisation.in_graph(model, signature, bgr=asked.bgr)) is not None:
        return pixels, None
    if exported is not None and exported.known is not None:
        return Pixels(*exported.known, asked.bgr, f"as {exported.kind} records it for its own classes"), None
    if asked.samples is not None:
        with_said_order(asked)
        samples = read_labelled("--samples", asked.samples, signature.spec, classes)
        return choose(run, signature, samples, len(classes), said=asked.scores,
                      sigmoid=ends_in_sigmoid(model, signature.output)), samples
    raise ImportRefusedError(
        "the graph does not say how its pixels were normalised, and a wrong guess would cost accuracy unseen. Say "
        f"--normalize ({', '.join(normalisation.PRESETS)}), or --mean and --std; or give a few labelled images that "
        "are not the test set, --samples FOLDER, and it is tried"
    )


def _width(run: Run, signature: Signature, classes: int) -> int:
    """The scores that one image gets, asked of the model itself."""
    blank: NDArray[np.uint8] = np.zeros((1, *signature.spec.shape), np.uint8)
    neutral = Pixels((0.0,), (1 / 255,), False, "")

    def whole(values: NDArray[np.generic]) -> Answers:
        answer = run(values)
        check_shape(np.shape(answer), classes)
        return answer

    if signature.batch and signature.batch > 1:
        raise ImportRefusedError(f"the graph takes {signature.batch} images at a time, no more and no fewer; export it "
                                 "with an open batch axis, or for one image")
    return int(answers(whole, blank, signature, neutral).shape[1])


def _type(model: onnx.ModelProto, signature: Signature) -> int:
    found = next(value for value in model.graph.output if value.name == signature.output)
    return int(found.type.tensor_type.elem_type)
