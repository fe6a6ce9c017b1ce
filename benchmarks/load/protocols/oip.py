"""The prediction in an answer of the Open Inference Protocol v2: the largest value of the output with the classes.

An output is read from the JSON, flat or nested, or from the bytes behind it where a server sends binary tensors, asked
or not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.load.wire import Reply, field

LENGTH_HEADER = "Inference-Header-Content-Length"
# As the protocol names them; binary tensors are little-endian. BYTES and BOOL are no scores.
NUMBERS = {
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}


def reader(output: str | None, classes: int | None) -> Callable[[Reply], int]:
    """A function that gives the class in an answer, by the output of that name, or else by the first one.

    It raises ValueError, TypeError or LookupError where there are not exactly `classes` numbers, where that is known.
    """

    def read(reply: Reply) -> int:
        length = field(reply.head, LENGTH_HEADER)
        head = int(length) if length else len(reply.body)
        outputs = json.loads(reply.body[:head])["outputs"]
        place = 0 if output is None else [each["name"] for each in outputs].index(output)
        values = _values(outputs, place, reply.body[head:])
        if classes is not None and len(values) != classes:
            raise ValueError(f"{len(values)} values instead of {classes}")
        if any(map(math.isnan, values)):
            raise ValueError("a value is not a number")
        return values.index(max(values))

    return read


def _values(outputs: list[dict[str, Any]], place: int, tail: bytes) -> list[Any]:
    """The numbers of one output; binary tensors lie behind the JSON in the order of their outputs."""
    wanted = outputs[place]
    if (data := wanted.get("data")) is not None:
        while type(data[0]) is list:
            data = list(chain.from_iterable(data))
        return list(data)
    begin = sum(each.get("parameters", {}).get("binary_data_size", 0) for each in outputs[:place])
    raw = tail[begin:begin + wanted["parameters"]["binary_data_size"]]
    found: list[Any] = np.frombuffer(raw, NUMBERS[wanted["datatype"]]).tolist()
    return found
