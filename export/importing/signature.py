"""What goes into a foreign graph and what comes out: read from the graph where it says, asked for where it does not."""

from __future__ import annotations

import ast
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto

from export.importing.asked import Asked, ImportRefusedError
from service.card import InputSpec

# N: batch, C: channels, H: height, W: width, F: all pixels of an image in one row, as HWC or CHW.
LAYOUTS = ("NCHW", "NHWC", "NHW", "NF-HWC", "NF-CHW", "CHW", "HWC", "HW", "F-HWC", "F-CHW")
TYPES = {TensorProto.UINT8: "uint8", TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16",
         TensorProto.DOUBLE: "float64"}
CLASS_KEYS = ("classes", "names", "labels", "character", "class_names")  # of metadata, as several exporters write them


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The input of a classifier, and its output. `why` says what was seen, in words.

    `batch` is the fixed size of the batch axis, 0 for any, None where there is no such axis.
    """

    input: str
    layout: str
    height: int
    width: int
    channels: Literal[1, 3]
    type: int                    # of onnx.TensorProto
    batch: int | None
    output: str
    why: tuple[str, ...]

    @property
    def spec(self) -> InputSpec:
        """As the card has it."""
        return InputSpec(height=self.height, width=self.width, channels=self.channels)

    @property
    def image(self) -> tuple[int, ...]:
        """The shape of one image as the graph takes it, without a batch axis."""
        height, width, channels = self.height, self.width, self.channels
        sizes = {"H": height, "W": width, "C": channels, "F": height * width * channels}
        return tuple(sizes[axis] for axis in self.layout.split("-")[0] if axis != "N")

    @property
    def channels_first(self) -> bool:
        """Whether pixels lie in planes."""
        return self.layout in ("NCHW", "CHW", "NF-CHW", "F-CHW")


def read_signature(model: onnx.ModelProto, asked: Asked) -> Signature:
    """Input and output of `model`; ImportRefusedError names the option that would settle what it does not say."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    chosen = _one("input", inputs, asked.input)
    if len(inputs) > 1:
        raise ImportRefusedError(f"the graph takes {len(inputs)} inputs ({', '.join(inputs)}), and a classifier of "
                                 "images takes one")
    tensor = inputs[chosen].type.tensor_type
    if tensor.elem_type not in TYPES:
        raise ImportRefusedError(f"its input {chosen} is {TensorProto.DataType.Name(tensor.elem_type) or 'no tensor'}; "
                                 f"what can be fed is {', '.join(TYPES.values())}")
    outputs = {value.name: value for value in model.graph.output}
    output = _one("output", outputs, asked.output)
    if not outputs[output].type.HasField("tensor_type"):
        raise ImportRefusedError(f"its output {output} is no tensor (a ZipMap of scikit-learn?); convert it with "
                                 "zipmap=False")
    axes = [max(0, axis.dim_value) for axis in tensor.shape.dim]  # some write -1 for what is open
    return replace(_placed(axes, asked), input=chosen, output=output, type=tensor.elem_type)


def _placed(axes: list[int], asked: Asked) -> Signature:
    """Layout and sizes for an input of `axes`, 0 where the graph leaves a size open."""
    layout, why = asked.layout, "as --layout says"
    if layout is None:
        layout, why = _layout(axes)
    names = layout.split("-")[0]
    if len(names) != len(axes):
        raise ImportRefusedError(f"--layout {layout}: the input has {len(axes)} axes, {_shown(axes)}")
    at = dict(zip(names, axes, strict=True))
    said = asked.size or (0, 0)
    if "F" in at:
        height, width, channels, seen = _unfolded(at["F"], asked)
    else:
        height, width = (_agreed(at[axis], asked_for, f"--size ({word})") for axis, asked_for, word in
                         (("H", said[0], "height"), ("W", said[1], "width")))
        channels = _agreed(at.get("C", 1), asked.channels or 0, "--channels")
        seen = "as the graph says" if at["H"] and at["W"] else "as --size says, the graph leaves it open"
    if not (height and width):
        raise ImportRefusedError(f"the graph takes images of any size ({_shown(axes)}); say the one that it was "
                                 "trained for: --size HEIGHTxWIDTH")
    if not channels:
        raise ImportRefusedError(f"the graph leaves its channels open ({_shown(axes)}); say --channels 1 or 3")
    if channels not in (1, 3):
        raise ImportRefusedError(f"the graph takes images of {channels} channels ({layout}, {_shown(axes)}); served "
                                 "are grey (1) and RGB (3)" + ("" if asked.layout else "; else say --layout"))
    return Signature(input="", output="", layout=layout, height=height, width=width, type=0,
                     channels=3 if channels == 3 else 1, batch=at.get("N"),
                     why=(f"layout {layout}: {why}", f"size {height}x{width}: {seen}"))


def _layout(axes: list[int]) -> tuple[str, str]:
    shown, rank = _shown(axes), len(axes)
    ask = f"; say --layout, one of {', '.join(LAYOUTS)}"
    few = [axis in (1, 3) for axis in axes]
    if rank == 4 and few[1] != few[3]:
        return ("NCHW" if few[1] else "NHWC"), f"the input is {shown}"
    if rank == 3 and not few[1]:
        if few[2] and axes[0] > 4:
            return "HWC", f"the input is {shown}, without a batch axis"
        if axes[0] == 3 and axes[2] > 4:
            return "CHW", f"the input is {shown}, without a batch axis"
        if axes[0] in (0, 1) and not few[2]:
            return "NHW", f"the input is {shown}, without a channel axis"
    if rank == 2 and axes[0] in (0, 1) and axes[1] and _squares(axes[1]) == [1]:
        return "NF-HWC", f"the input is {shown}, one row of pixels"
    if rank == 1 and axes[0] and _squares(axes[0]) == [1]:
        return "F-HWC", f"the input is {shown}, one row of pixels, without a batch axis"
    raise ImportRefusedError(f"the input is {shown}, which does not say what its axes are" + ask)


def _unfolded(length: int, asked: Asked) -> tuple[int, int, int, str]:
    """Height, width, channels of a row of `length` numbers."""
    if asked.size is not None:
        height, width = asked.size
        channels = asked.channels or (length // (height * width) if length else 0)
        if length and height * width * channels != length:
            raise ImportRefusedError(f"--size {height}x{width} with {channels} channels is {height * width * channels} "
                                     f"numbers, and the graph takes rows of {length}")
        return height, width, channels, "as --size says"
    found = [one for one in _squares(length) if asked.channels in (None, one)] if length else []
    if len(found) != 1:
        raise ImportRefusedError(f"the graph takes rows of {length or 'any number of'} numbers; say --size "
                                 "HEIGHTxWIDTH and --channels")
    side = math.isqrt(length // found[0])
    return side, side, found[0], f"{length} numbers are a square of one size only; --size says another"


def _squares(length: int) -> list[int]:
    """The numbers of channels, 1 and 3, with which `length` numbers are a square image."""
    return [channels for channels in (1, 3)
            if length % channels == 0 and math.isqrt(length // channels) ** 2 == length // channels]


def _agreed(graph: int, said: int, option: str) -> int:
    if graph and said and graph != said:
        raise ImportRefusedError(f"{option} is {said}, and the graph takes {graph} and nothing else")
    return graph or said


def _one(what: str, there: dict[str, onnx.ValueInfoProto], said: str | None) -> str:
    if said is not None and said not in there:
        raise ImportRefusedError(f"--{what} {said}: the graph has no such {what}; it has {', '.join(there)}")
    if said is None and len(there) != 1:
        shown = ", ".join(f"{name} {_dims(value)}" for name, value in there.items()) or "none"
        raise ImportRefusedError(f"the graph has {len(there)} {what}s: {shown}; say which with --{what}")
    return said or next(iter(there))


def _dims(value: onnx.ValueInfoProto) -> str:
    return _shown([axis.dim_value for axis in value.type.tensor_type.shape.dim])


def _shown(axes: list[int]) -> str:
    return f"({', '.join(str(axis) if axis else 'any' for axis in axes)})"


def read_classes(path: Path | None, model: onnx.ModelProto) -> tuple[tuple[str, ...], str]:
    """Class names in the order of the outputs, and where they come from: a file, or what the graph says itself.

    A file has one name a line, or is a JSON list, or a JSON object of names by index.
    """
    if path is None:
        for entry in model.metadata_props:
            if entry.key.lower() in CLASS_KEYS and (found := _parsed(entry.value)):
                return _checked(found, f"the graph's own `{entry.key}`"), f"the graph's own `{entry.key}`"
        raise ImportRefusedError("the graph does not name its classes; say --classes FILE, one name a line in the "
                                 "order of the outputs")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportRefusedError(f"--classes {path}: {error}") from error
    return _checked(_parsed(text), f"--classes {path}"), str(path)


def _parsed(text: str) -> list[str]:
    stripped = text.strip()
    if stripped[:1] in ("[", "{"):
        try:
            found = json.loads(stripped)
        except ValueError:
            try:
                found = ast.literal_eval(stripped)  # {0: 'cat'}, as Ultralytics writes it
            except (ValueError, SyntaxError):
                return []
        if isinstance(found, dict):
            try:
                found = [found[key] for key in sorted(found, key=int)]
            except (TypeError, ValueError):
                return []
        return [str(name) for name in found]
    return [line.strip() for line in stripped.splitlines()]


def _checked(names: list[str], where: str) -> tuple[str, ...]:
    if len(names) < 2:
        raise ImportRefusedError(f"{where} names {len(names)} classes; a classifier has at least two")
    if "" in names:
        raise ImportRefusedError(f"{where}: name {names.index('') + 1} is empty")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ImportRefusedError(f"{where} has {', '.join(twice[:5])} twice; give each class a name of its own")
    return tuple(names)
