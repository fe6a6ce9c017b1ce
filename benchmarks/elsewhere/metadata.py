"""What a server of the Open Inference Protocol serves, by its metadata: one tensor of images in, one of classes out.

The protocol says nothing of layouts, channels or classes' names. The layout follows from the shape and the images'; the
order of the classes is taken to be that of the split, and the accuracy tells whether it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.elsewhere.asking import document, get, said
from benchmarks.elsewhere.question import Question
from benchmarks.elsewhere.served import Served, described, known_splits, listing, named_split
from benchmarks.load.protocols.protocol import Protocol
from benchmarks.load.protocols.tensor import DATATYPES, LAYOUTS, Tensor, as_json, binary, binary_headers
from benchmarks.machine.server import Elsewhere
from service.splits import Split

UNKNOWN = ("the protocol does not name classes: whether they are in the order of the split, only the accuracy tells",
           "nor does it say what pixels have to become: a wrong --scale, --mean or --std shows in the accuracy")
Shape = tuple[int, int, int]


class TensorAbout(BaseModel):
    """What metadata say of a tensor; -1 stands for any size."""

    model_config = ConfigDict(frozen=True)

    name: str
    datatype: str
    shape: list[int]


class ModelAbout(BaseModel):
    """What metadata say of a model, as far as it matters here."""

    model_config = ConfigDict(frozen=True)

    name: str
    inputs: list[TensorAbout]
    outputs: list[TensorAbout]


def find(server: Elsewhere, question: Question) -> Served:
    """The model that is asked for, and its images."""
    assert question.model is not None
    name, _, version = question.model.partition("@")
    place = f"/v2/models/{quote(name, safe='')}" + (f"/versions/{quote(version, safe='')}" if version else "")
    about = _about(server, place, question.model)
    given, output = _input(about), _output(about, question.output_tensor)
    split, layout = _split(given, output, about, question)
    tensor = _tensor(given, layout, question, channels=split.card.shape[2])
    classes = len(split.card.classes)
    as_binary = question.tensor != "json"
    encoded = partial(binary if as_binary else as_json, tensor, output=output.name)
    return Served(
        model=question.model, path=f"{place}/infer", split=split,
        kind=f"{'binary' if as_binary else 'json'}-{tensor.datatype.lower()}",
        content_type="application/octet-stream" if as_binary else "application/json", encoder=encoded,
        facts=about.model_dump(mode="json"), unknown=UNKNOWN[: 1 if tensor.datatype == "UINT8" else 2],
        protocol=Protocol("oip", binary_headers(tensor, split.card.shape, output.name) if as_binary else {},
                          output.name, classes),
    )


def layouts(given: list[int], image: Shape, *, loose: bool = False) -> list[str]:
    """How a tensor of this shape may hold one image (height, width, channels); `loose`: -1 stands for any size."""
    return [layout for layout in LAYOUTS if _holds(layout, given, image, loose)]


def _holds(layout: str, given: list[int], image: Shape, loose: bool) -> bool:
    if len(layout) != len(given) or ("C" not in layout and image[2] != 1):
        return False
    sizes = Tensor("", "UINT8", layout).shape(*image)
    return all(size in (wanted, -1) if loose or axis == "N" else size == wanted
               for axis, wanted, size in zip(layout, sizes, given, strict=True))


def _about(server: Elsewhere, place: str, model: str) -> ModelAbout:
    answer = get(server, place)
    if answer.status_code != 200:
        raise NothingToWeighError(f"--model {model}: GET {place} answered {answer.status_code}: {said(answer)}"
                                  f"{_known(server)}")
    try:
        return ModelAbout.model_validate(document(answer))
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the answer'}: {each['msg']}"
                         for each in error.errors()[:3])
        raise NothingToWeighError(f"GET {place} does not answer as the Open Inference Protocol v2 does: {what}") \
            from None


def _known(server: Elsewhere) -> str:
    """What the server has instead, where it has the extension that tells."""
    try:
        answer = httpx.post(f"{server.url}/v2/repository/index", json={}, timeout=5)
        names = listing({each["name"] for each in answer.json()})
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return ""
    return f"; it has {names}" if names else "; it has no model at all"


def _input(about: ModelAbout) -> TensorAbout:
    if len(about.inputs) != 1:
        told = listing(each.name for each in about.inputs) or "none that it tells"
        raise NothingToWeighError(f"{about.name} has {len(about.inputs)} inputs ({told}); only models of one tensor of "
                                  "images can be weighed")
    given = about.inputs[0]
    if given.datatype not in DATATYPES:
        raise NothingToWeighError(f"{about.name}: its input {given.name} is {given.datatype}; only "
                                  f"{', '.join(DATATYPES)} can be sent")
    return given


def _output(about: ModelAbout, name: str | None) -> TensorAbout:
    if not about.outputs:
        raise NothingToWeighError(f"{about.name} tells no output, so nobody knows where its classes are")
    if name is None:
        return about.outputs[0]
    found = next((each for each in about.outputs if each.name == name), None)
    if found is None:
        raise NothingToWeighError(f"--output-tensor {name}: {about.name} has "
                                  f"{listing(each.name for each in about.outputs)}")
    return found


def _split(given: TensorAbout, output: TensorAbout, about: ModelAbout, question: Question) -> tuple[Split, str]:
    """The images for a tensor, and how it holds them."""
    root = Path(question.root)
    known = {question.split: named_split(root, question.split)} if question.split else known_splits(root)
    fitting = [(split, found) for split in known.values()
               if (found := layouts(given.shape, split.card.shape, loose=question.split is not None))]
    if not fitting:
        raise NothingToWeighError(f"{about.name}: its input {given.name} has the shape {given.shape}, and "
                                  f"{'; '.join(map(described, known.values()))} {_no_fit(given.shape, question)}")
    wanted = output.shape[-1] if output.shape else 1
    counted = [(split, found) for split, found in fitting if wanted in (-1, len(split.card.classes))]
    if not counted:
        others = listing(each.name for each in about.outputs if each != output)
        raise NothingToWeighError(
            f"{about.name}: its output {output.name} has the shape {output.shape}, so {wanted} values for one image, "
            f"and that is not the number of classes of {'; '.join(described(split) for split, _ in fitting)}"
            + (f"; choose another output with --output-tensor: {others}" if others else ""))
    if len(counted) > 1:
        raise NothingToWeighError(f"{about.name}: several splits have its shape; choose one with --split: "
                                  f"{listing(split.card.name for split, _ in counted)}")
    (split, found), = counted
    if len(found) > 1 and split.card.shape[2] > 1:  # of a grey image all of them are the same bytes
        raise NothingToWeighError(f"{about.name}: the shape {given.shape} of {given.name} does not tell "
                                  f"{' from '.join(found)}; fix its channels on the server")
    return split, found[0]


def _no_fit(shape: list[int], question: Question) -> str:
    if question.split is None and -1 in shape[1:]:
        return "cannot be told to fit while sizes in it are -1; name the split whose images it takes with --split"
    if shape and shape[0] > 1 and len(shape) == 4:
        return f"would have to come {shape[0]} at once; serve it with a batch of 1 or -1"
    return "do not fit into it; write a split that does with python -m export --split, or give another --root"


def _tensor(given: TensorAbout, layout: str, question: Question, *, channels: int) -> Tensor:
    scale, mean, std = question.floats
    if given.datatype == "UINT8":
        for name in ("scale", "mean", "std"):
            if getattr(question, name) is not None:
                raise NothingToWeighError(f"--{name}: the input {given.name} is UINT8, which takes pixels as they are; "
                                          f"leave --{name} out")
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise NothingToWeighError(f"--{name}: {len(values)} values for images of {channels} channel(s); give one, "
                                      f"or {channels}")
    return Tensor(given.name, given.datatype, layout, scale, mean, std)
