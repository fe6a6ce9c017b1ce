"""Images as request bodies of the Open Inference Protocol v2, made long before any clock runs.

A pixel has 256 values in each channel, so what becomes of them is a table with 256 places, computed in double precision
and rounded once to the tensor's type. Knows no server; `benchmarks.elsewhere.metadata` finds out what one takes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.protocols.oip import LENGTH_HEADER, NUMBERS

DATATYPES = ("UINT8", "FP32", "FP16")
SCALE = 1 / 255
# Where each axis of a tensor with these axes lies in an image (height, width, channels); N is the one image.
LAYOUTS = ("NHWC", "NCHW", "NHW", "HWC", "CHW", "HW", "ND", "D")  # D: all pixels of a grey image in a row


@dataclass(frozen=True)
class Tensor:
    """The one input of a model, and how pixels become its numbers: (pixel × scale − mean) / std, channel by channel.

    `UINT8` takes the pixels themselves. `mean` and `std` have one value for all channels, or one for each.
    """

    name: str
    datatype: str                     # of DATATYPES
    layout: str                       # of LAYOUTS
    scale: float = SCALE
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def shape(self, height: int, width: int, channels: int) -> list[int]:
        """Of the tensor of one image."""
        sizes = {"N": 1, "H": height, "W": width, "C": channels, "D": height * width}
        return [sizes[axis] for axis in self.layout]

    def values(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """The numbers of a (height, width, channels) image, in the order in which they are sent."""
        pixels = self._ordered(image)
        return pixels.reshape(-1) if self.datatype == "UINT8" else self._looked_up(_table(self, image.shape[2]), pixels)

    def decimals(self, image: NDArray[np.uint8]) -> list[float]:
        """The same numbers, each as the shortest decimal that is this very number."""
        pixels = self._ordered(image)
        whole = self.datatype == "UINT8"
        found = pixels.reshape(-1) if whole else self._looked_up(_decimals(self, image.shape[2]), pixels)
        return list(found.tolist())

    def _ordered(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image.transpose(2, 0, 1) if self._channels_first else image

    def _looked_up(self, table: NDArray[Any], pixels: NDArray[np.uint8]) -> NDArray[Any]:
        channel = np.arange(len(table))
        found: NDArray[Any] = table[channel[:, None, None] if self._channels_first else channel, pixels]
        return found.reshape(-1)

    @property
    def _channels_first(self) -> bool:
        return "CH" in self.layout


@lru_cache(maxsize=4)
def _table(tensor: Tensor, channels: int) -> NDArray[Any]:
    """(channels, 256): what becomes of each value of a pixel."""
    mean, std = (np.broadcast_to(np.array(given), channels)[:, None] for given in (tensor.mean, tensor.std))
    table: NDArray[Any] = ((np.arange(256) * tensor.scale - mean) / std).astype(NUMBERS[tensor.datatype])
    return table


@lru_cache(maxsize=4)
def _decimals(tensor: Tensor, channels: int) -> NDArray[np.float64]:
    return np.array([[float(str(value)) for value in row] for row in _table(tensor, channels)])


def binary(tensor: Tensor, image: NDArray[np.uint8], output: str) -> bytes:
    """A body with a binary tensor that asks for `output` as JSON. Its JSON is as long for every image of one shape."""
    data = tensor.values(image).tobytes()
    return _head(tensor, image.shape, output, len(data)) + data


def binary_headers(tensor: Tensor, shape: tuple[int, ...], output: str) -> dict[str, str]:
    """What every request with a `binary` body of images of this shape carries."""
    size = int(np.prod(shape)) * np.dtype(NUMBERS[tensor.datatype]).itemsize
    return {LENGTH_HEADER: str(len(_head(tensor, shape, output, size)))}


def as_json(tensor: Tensor, image: NDArray[np.uint8], output: str) -> bytes:
    """A body without anything that is not in the protocol itself."""
    tensors = [{**_about(tensor, image.shape), "data": tensor.decimals(image)}]
    return _dumped({"inputs": tensors, "outputs": [{"name": output}]})


def _head(tensor: Tensor, shape: tuple[int, ...], output: str, size: int) -> bytes:
    return _dumped({"inputs": [{**_about(tensor, shape), "parameters": {"binary_data_size": size}}],
                    "outputs": [{"name": output, "parameters": {"binary_data": False}}]})


def _about(tensor: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    height, width, channels = shape
    return {"name": tensor.name, "shape": tensor.shape(height, width, channels), "datatype": tensor.datatype}


def _dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
