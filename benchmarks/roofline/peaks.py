"""What this machine can do at most, as calls that a measurement takes in turn with the models: products and copies.

The products are ONNX Runtime's own, square and with constant weights, in float32 and with unsigned times signed bytes;
of three sizes the best counts. A copy counts what it reads and what it writes; there is one for every size of the
caches, because a small network never leaves them. Several threads are credited with as many times the copy of one, as
if each had its own way to memory: a limit may be generous, never unfair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.roofline.count import load_onnx
from service.runtimes.choices import session_options
from service.runtimes.turns import take_turns

SIDES = (256, 512, 1024)
COPIES = (16 * 2**10, 128 * 2**10, 2**20, 8 * 2**20, 64 * 2**20)  # bytes of one side
ROUNDS = 7


@dataclass(frozen=True)
class Peak:
    """A call that does `amount` operations, or moves that many bytes; `best` per second when it was measured alone."""

    call: Callable[[], object]
    amount: int
    best: float


@dataclass(frozen=True)
class Peaks:
    """Of one number of threads: products by type, and copies by bytes moved."""

    threads: int
    float32: Peak
    int8: Peak
    copies: dict[int, Peak]

    def copy_for(self, moved: int) -> Peak:
        """The copy that moves at least so many bytes and no more than it must; the largest where none does."""
        return self.copies[min((size for size in self.copies if size >= moved), default=max(self.copies))]

    def to_dict(self) -> dict[str, Any]:
        """Ready for a result, in 10**9 per second."""
        return {"threads": self.threads, "float32_gops": round(self.float32.best / 1e9, 2),
                "int8_gops": round(self.int8.best / 1e9, 2),
                "copy_gbytes": {str(size): round(peak.best / 1e9, 2) for size, peak in self.copies.items()}}


def find_peaks(threads: int) -> Peaks:
    """Measure them; takes a few seconds."""
    return Peaks(
        threads,
        _best([_product("float32", side, threads) for side in SIDES]),
        _best([_product("int8", side, threads) for side in SIDES]),
        {2 * size: _best([_copy(size, threads)]) for size in COPIES},
    )


def _best(candidates: list[tuple[Callable[[], object], int]]) -> Peak:
    taken = take_turns({str(place): call for place, (call, _) in enumerate(candidates)}, rounds=ROUNDS)
    found = [Peak(call, amount, amount / float(np.min(taken[str(place)])))
             for place, (call, amount) in enumerate(candidates)]
    return max(found, key=lambda peak: peak.best)


def _product(kind: str, side: int, threads: int) -> tuple[Callable[[], object], int]:
    """A call of (side, side) times (side, side), and its operations."""
    onnx = load_onnx()
    helper, types = onnx.helper, onnx.TensorProto
    draws = np.random.default_rng(0)
    if kind == "float32":
        weights = draws.normal(size=(side, side)).astype(np.float32)
        images = draws.normal(size=(side, side)).astype(np.float32)
        operator, taken, given = "MatMul", types.FLOAT, types.FLOAT
    else:
        weights = draws.integers(-127, 128, (side, side)).astype(np.int8)
        images = draws.integers(0, 128, (side, side)).astype(np.uint8)
        operator, taken, given = "MatMulInteger", types.UINT8, types.INT32
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", "w"], ["y"])], kind,
        [helper.make_tensor_value_info("x", taken, [side, side])],
        [helper.make_tensor_value_info("y", given, [side, side])], [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), session_options(threads),
                                   providers=["CPUExecutionProvider"])
    return partial(session.run, ["y"], {"x": images}), 2 * side**3


def _copy(size: int, threads: int) -> tuple[Callable[[], object], int]:
    """A call that copies `size` bytes on one thread, and the bytes that so many threads would move meanwhile."""
    return partial(np.copyto, np.zeros(size, np.uint8), np.ones(size, np.uint8)), 2 * size * threads
