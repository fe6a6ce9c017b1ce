"""Bodies of inference requests and answers: JSON, and after it the binary tensors in the order of their names.

A binary tensor is little-endian, row by row, without padding; of BYTES, each element is a 4-byte length and its bytes.
Knows no model and runs nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from service.allowance import Allowance
from service.card import InputSpec
from service.fields import parse_json, shorten
from service.oip.messages import InferAnswer, InferRequest, InputTensor, OutputTensor, RequestedOutput
from service.pixels import RANGE_CURE, from_bytes
from service.problems import Problem

LENGTH_HEADER = "Inference-Header-Content-Length"
IMAGE, ENCODED, PROBABILITIES, MODEL = "image", "encoded", "probabilities", "model"
MOST_DIGITS = 12  # of a whole number that means bytes or microseconds
REQUEST_PARAMETERS = ("binary_data_output", "runtime", "timeout", "priority")
INPUT_PARAMETERS = ("binary_data_size", "content_type")  # content_type: what MLServer's clients say beside a datatype
OUTPUT_PARAMETERS = ("binary_data", "classification", "content_type")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output of the answer. `classes` asks for that many `score:index:label` instead of the tensor."""

    name: str
    binary: bool
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class InferAsk:
    """A request taken apart: one input tensor, as bytes where it was binary, and the outputs asked for by name."""

    id: str | None
    tensor: InputTensor
    raw: bytes | None
    size: int  # of the whole body in bytes
    runtime: str | None
    timeout_s: float | None
    binary: bool
    outputs: list[Wanted] | None

    @property
    def count(self) -> int:
        """Images, as the shape says."""
        return self.tensor.shape[0] if self.tensor.shape else 0


def read_infer(body: bytes, header_length: str | None, allowance: Allowance) -> InferAsk:
    """Take a body apart. Nothing is decoded yet. `allowance` is what its JSON may hold."""
    head = len(body)
    if header_length is not None:
        digits = header_length.isascii() and header_length.isdigit() and len(header_length) <= MOST_DIGITS
        if not (digits and int(header_length) <= len(body)):
            raise Problem("bad-value", f"it is {shorten(header_length)}, the body has {len(body)} bytes",
                          field=LENGTH_HEADER, cure="send the length of the JSON part in bytes")
        head = int(header_length)
    request = parse_json(body[:head], InferRequest, allowance)
    _known(request.parameters, REQUEST_PARAMETERS, "parameters")
    if len(request.inputs) != 1:
        raise Problem("bad-value", f"there are {len(request.inputs)} inputs", field="inputs",
                      cure=f"send one, {IMAGE} or {ENCODED}")
    tensor = request.inputs[0]
    _known(tensor.parameters, INPUT_PARAMETERS, f"inputs.{tensor.name[:40]}.parameters")
    binary = _typed(request.parameters, "binary_data_output", bool, False)
    timeout_us = _typed(request.parameters, "timeout", int, 0)
    if not 0 <= timeout_us < 10**MOST_DIGITS:
        raise Problem("bad-value", f"timeout is {shorten(timeout_us)}", field="timeout",
                      cure="send microseconds, or 0 for none")
    return InferAsk(
        id=request.id,
        tensor=tensor,
        raw=_binary_part(tensor, body, head),
        size=len(body),
        runtime=_typed(request.parameters, "runtime", str, None),
        timeout_s=timeout_us / 1e6 if timeout_us > 0 else None,
        binary=binary,
        outputs=None if not request.outputs else [_wanted(output, binary) for output in request.outputs],
    )


def read_pixels(ask: InferAsk, spec: InputSpec) -> NDArray[np.uint8]:
    """The images (n, height, width, channels) of an `image` tensor, which must have exactly the model's shape."""
    tensor = ask.tensor
    if tensor.datatype != "UINT8":
        raise Problem("bad-value", f"{IMAGE} is {shorten(tensor.datatype)}", field="datatype", cure="send UINT8")
    if len(tensor.shape) != 4 or tuple(tensor.shape[1:]) != spec.shape or tensor.shape[0] < 1:
        raise Problem("wrong-shape", f"the tensor is {shorten(tensor.shape)}, the model takes {[-1, *spec.shape]}",
                      field="shape", cure=f"send pixels of that shape; {ENCODED} takes files of any size")
    values = ask.raw if ask.raw is not None else _leaves(tensor.data or [])
    size = int(np.prod(tensor.shape, dtype=object))
    if len(values) != size:  # before any of what may be millions is looked at
        raise Problem("wrong-shape", f"there are {len(values)} values, the shape {shorten(tensor.shape)} has {size}",
                      field="data", cure="send one value for each element")
    return from_bytes(values if isinstance(values, bytes) else _whole_bytes(values), spec)


def read_files(ask: InferAsk) -> list[Any]:
    """The items of an `encoded` tensor: files as bytes, or inside JSON as base64 texts."""
    tensor, count = ask.tensor, ask.count
    if tensor.datatype != "BYTES":
        raise Problem("bad-value", f"{ENCODED} is {shorten(tensor.datatype)}", field="datatype", cure="send BYTES")
    if tensor.shape not in ([count], [count, 1]):
        raise Problem("wrong-shape", f"the tensor is {shorten(tensor.shape)}", field="shape", cure="send [n] or [n, 1]")
    items = _split(ask.raw, count) if ask.raw is not None else _leaves(tensor.data or [])
    if len(items) != count:
        found = f"more than {count}" if len(items) > count else f"{len(items)}"
        raise Problem("wrong-shape", f"there are {found} elements, the shape says {count}", field="data",
                      cure="send one element for each image")
    if not all(isinstance(item, bytes | str) for item in items):
        raise Problem("bad-value", "an element is neither text nor bytes", field="data", cure="send base64 texts")
    return items


def write_answer(answer: InferAnswer, tensors: list[tuple[str, NDArray[Any] | list[str], list[int], bool]]) -> (
    tuple[bytes, dict[str, str]]
):
    """The body and its headers; each of `tensors` is name, values (float32 or texts), shape, whether it is binary."""
    outputs, tail = [], []
    for name, values, shape, binary in tensors:
        datatype = "BYTES" if isinstance(values, list) else "FP32"
        if not binary:
            data = values if isinstance(values, list) else values.ravel().tolist()
            outputs.append(OutputTensor(name=name, datatype=datatype, shape=shape, data=data))
            continue
        raw = _join(values) if isinstance(values, list) else values.astype("<f4", copy=False).tobytes()
        tail.append(raw)
        size = {"binary_data_size": len(raw)}
        outputs.append(OutputTensor(name=name, datatype=datatype, shape=shape, parameters=size))
    head = to_json(answer.model_copy(update={"outputs": outputs}), exclude_none=True)
    if not tail:
        return head, {"Content-Type": "application/json"}
    return b"".join([head, *tail]), {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(head))}


def _binary_part(tensor: InputTensor, body: bytes, head: int) -> bytes | None:
    size = _typed(tensor.parameters, "binary_data_size", int, None)
    rest = len(body) - head
    if size is None:
        if rest:
            raise Problem("bad-value", f"{rest} bytes follow the JSON and no input has a binary_data_size",
                          field="binary_data_size", cure="give the input its binary_data_size")
        if tensor.data is None:
            raise Problem("bad-value", "there is neither data nor binary_data_size", field="data", cure="send one")
        return None
    if tensor.data is not None:
        raise Problem("contradiction", "there are both data and binary_data_size", field="data", cure="send one")
    if size != rest:
        raise Problem("bad-value", f"it says {size}, {rest} bytes follow the JSON", field="binary_data_size",
                      cure=f"send exactly that many, and the length of the JSON in {LENGTH_HEADER}")
    return body[head:]


def _wanted(output: RequestedOutput, binary: bool) -> Wanted:
    _known(output.parameters, OUTPUT_PARAMETERS, f"outputs.{output.name[:40]}.parameters")
    classes = _typed(output.parameters, "classification", int, None)
    if classes is not None and classes < 1:
        raise Problem("bad-value", f"classification is {classes}", field="classification", cure="ask for 1 or more")
    return Wanted(output.name, _typed(output.parameters, "binary_data", bool, binary), classes)


def _known(found: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in found:
        if name not in known:
            raise Problem("bad-value", f"{shorten(name)} is not read here", field=where,
                          cure=f"use {', '.join(known)}")


def _typed(found: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = found.get(name, default)
    if value is not default and type(value) is not kind:
        raise Problem("bad-value", f"{name} is {shorten(value)}", field=name, cure=f"send a {kind.__name__}")
    return value


def _leaves(data: list[Any]) -> list[Any]:
    for _ in range(8):
        if not data or type(data[0]) is not list:
            break
        if set(map(type, data)) != {list}:
            raise Problem("wrong-shape", "data is nested to different depths", field="data", cure="send a flat list")
        data = list(chain.from_iterable(data))
    return data


def _whole_bytes(leaves: list[Any]) -> bytes:
    if not set(map(type, leaves)) <= {int}:
        odd = next(leaf for leaf in leaves if type(leaf) is not int)
        raise Problem("bad-pixels", f"{shorten(odd)} is not a whole number", field="data", cure=RANGE_CURE)
    try:
        return bytes(leaves)
    except ValueError:
        raise Problem("bad-pixels", "a value is not from 0 to 255", field="data", limit=255, cure=RANGE_CURE) from None


def _split(raw: bytes, most: int) -> list[Any]:
    """The elements, and of more than `most` one too many: empty ones are four bytes each."""
    items: list[Any] = []
    place = 0
    while place < len(raw) and len(items) <= most:
        size = int.from_bytes(raw[place : place + 4], "little")
        place += 4 + size
        if place > len(raw):
            raise Problem("bad-value", "an element says it is longer than the tensor", field="data",
                          cure="send each element as a 4-byte little-endian length and its bytes")
        items.append(raw[place - size : place])
    return items


def _join(texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(chain.from_iterable((struct.pack("<I", len(each)), each) for each in encoded))
