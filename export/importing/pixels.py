"""How pixels become the numbers that a network was trained on: number = pixel * scale + shift, per channel.

Found in the graph where it begins with that arithmetic; where it does not, tried on labelled images, or asked for.
A wrong normalisation costs accuracy and raises no error, so it is never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from export.importing.asked import Asked, ImportRefusedError
from export.importing.signature import Signature

Floats = NDArray[np.float32]
# Mean and deviation of pixels in 0..1. `raw` leaves 0..255, `unit` makes 0..1, `signed` makes -1..1.
PRESETS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "raw": ((0.0,), (1 / 255,)),
    "unit": ((0.0,), (1.0,)),
    "signed": ((0.5,), (0.5,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "mnist": ((0.1307,), (0.3081,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
THROUGH = ("Cast", "Identity", "Transpose", "Unsqueeze", "Squeeze")  # change no number
SIDES = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


@dataclass(frozen=True)
class Pixels:
    """`mean` and `std` are per channel, of pixels in 0..1, in the order of the network's channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    bgr: bool
    why: str

    @property
    def scale(self) -> Floats:
        """Per channel, or one for all."""
        return np.array([1 / (255 * std) for std in self.std], np.float32)

    @property
    def shift(self) -> Floats:
        """Per channel, or one for all."""
        return np.array([-mean / std for mean, std in zip(self.mean, self.std, strict=True)], np.float32)

    @property
    def raw(self) -> bool:
        """Whether pixels stay what they are."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())


def preset(name: str, channels: int, *, bgr: bool, why: str) -> Pixels:
    """An entry of PRESETS; ImportRefusedError where it is for another number of channels."""
    mean, std = PRESETS[name]
    if len(mean) not in (1, channels):
        raise ImportRefusedError(f"--normalize {name} is for RGB, and this network takes grey images")
    return Pixels(mean, std, bgr, why)


def said(asked: Asked, channels: int) -> Pixels | None:
    """What --normalize or --mean and --std say; None when they say nothing."""
    if asked.normalize is not None:
        if asked.mean or asked.std:
            raise ImportRefusedError("--normalize and --mean, --std say the same thing; give one of them")
        return preset(asked.normalize, channels, bgr=asked.bgr, why=f"as --normalize {asked.normalize} says")
    if not (asked.mean or asked.std):
        return None
    if not (asked.mean and asked.std) or len(asked.mean) != len(asked.std) or len(asked.mean) not in (1, channels):
        raise ImportRefusedError(f"--mean and --std: give both, one number for all channels or {channels} each")
    if min(asked.std) <= 0 or max(map(abs, asked.mean)) > 1 or max(asked.std) > 1:
        raise ImportRefusedError("--mean and --std are of pixels in 0..1, like 0.485 and 0.229: divide yours by 255")
    return Pixels(asked.mean, asked.std, asked.bgr, "as --mean and --std say")


def in_graph(model: onnx.ModelProto, signature: Signature, *, bgr: bool) -> Pixels | None:
    """What the graph does to its input tells what it wants: pixels in 0..255, or in 0..1. None where it does nothing.

    A normalisation ends in numbers of about one size on both sides of zero; whichever of the two ranges it brings there
    is the one that it was made for.
    """
    if signature.type == TensorProto.UINT8:
        return preset("raw", signature.channels, bgr=bgr, why="the graph takes uint8")
    scale, shift, steps = _arithmetic(model.graph, signature.input, signature.channels)
    if not steps:
        return None
    fitting = [(name, top) for name, top in (("raw", 255.0), ("unit", 1.0)) if _normal(shift, scale * top + shift)]
    if len(fitting) != 1:
        return None
    name, top = fitting[0]
    return preset(name, signature.channels, bgr=bgr, why=f"the graph begins with {', '.join(steps)}, which is made for "
                  f"pixels in 0..{top:.0f}")


def _normal(black: NDArray[np.float64], white: NDArray[np.float64]) -> bool:
    """Whether a range from `black` to `white` is what a normalisation ends in: a few units wide, or around zero."""
    width, middle = np.abs(white - black), (white + black) / 2
    near = bool((np.abs(middle) <= width).all())
    return near and bool(((width >= 0.5) & ((width <= 10) | (np.abs(middle) < 0.25 * width))).all())


def _arithmetic(
    graph: onnx.GraphProto, name: str, channels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Scale and shift per channel of the additions and multiplications that the graph begins with, and their names."""
    constants = constants_of(graph)
    scale, shift, steps = np.ones(channels), np.zeros(channels), []
    while len(users := [node for node in graph.node if name in node.input]) == 1:
        node = users[0]
        if node.op_type in SIDES:
            other = next((entry for entry in node.input if entry != name), None)
            value = constants.get(other or "")
            first = node.input[0] == name
            if value is None or value.size not in (1, channels) or (node.op_type == "Div" and not first):
                break
            number = value.astype(np.float64).reshape(-1)
            if node.op_type in ("Add", "Sub"):
                if not first and node.op_type == "Sub":
                    scale, shift = -scale, number - shift
                else:
                    shift = SIDES[node.op_type](shift, number)
            else:
                scale, shift = SIDES[node.op_type](scale, number), SIDES[node.op_type](shift, number)
            steps.append(node.op_type)
        elif node.op_type not in THROUGH:
            break
        name = node.output[0]
    return np.broadcast_to(scale, channels), np.broadcast_to(shift, channels), steps


def constants_of(graph: onnx.GraphProto) -> Mapping[str, NDArray[np.generic]]:
    """Every weight and constant of a graph by its name."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found
