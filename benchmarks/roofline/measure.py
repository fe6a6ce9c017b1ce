"""Models beside the peaks, in turns: what share of the limit each reaches, whatever the machine did meanwhile.

A limit is the longer of two times: the operations at the peak of their type, and the bytes at the bandwidth of copies
of that size, both as they were within the same round. The share of a round is the limit over what the model took.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import Contender
from benchmarks.roofline.count import CountError, Work, count
from benchmarks.roofline.peaks import Peaks, find_peaks
from service.card import ModelFile
from service.runtimes import RUNTIMES, RuntimeUnavailable, missing, open_model
from service.runtimes.turns import ratio, take_turns

BATCHES = (1, 32)
ROUNDS = 25
RESTLESS = 1.3  # the slowest tenth of the products' rounds over the quickest, from which on a result is not for keeping
Row = dict[str, Any]


def measure(
    contenders: Sequence[Contender], runtimes: Sequence[str], threads: Sequence[int], *,
    batches: Sequence[int] = BATCHES, rounds: int = ROUNDS, say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Peaks, rows and what was left out with the reason; `say` gets a line before each step."""
    found: dict[str, Any] = {"peaks": [], "rows": [], "left_out": [], "restless": 1.0}
    for number in threads:
        say(f"peaks, {number} thread{'s' if number > 1 else ''}")
        peaks = find_peaks(number)
        found["peaks"].append(peaks.to_dict())
        for contender, runtime, file in _each(contenders, runtimes):
            path = contender.folder / file.path
            say(f"{contender.id}, {runtime}, {number} thread{'s' if number > 1 else ''}")
            try:
                run = open_model(runtime, path, threads=number)
                works = {batch: count(_graph_of(contender, path), batch) for batch in batches}
            except (RuntimeUnavailable, CountError) as error:
                found["left_out"].append({"model": contender.id, "runtime": runtime, "reason": str(error)})
                continue
            for batch, work in works.items():
                images = np.random.default_rng(batch).integers(
                    0, 256, (batch, *contender.card.input.shape), dtype=np.uint8)
                row, restless = _row(work, partial(run, images), peaks, rounds)
                found["restless"] = max(found["restless"], restless)
                found["rows"].append({
                    "model": contender.id, "runtime": runtime, "version": run.version, "threads": number,
                    "batch": batch, "format": file.format, "sha256": file.sha256, **row})
    return found


def _each(contenders: Sequence[Contender], runtimes: Sequence[str]) -> Iterator[tuple[Contender, str, ModelFile]]:
    for contender in contenders:
        for runtime in runtimes:
            file = contender.card.file(RUNTIMES[runtime].format)
            if file is not None and missing(runtime) is None and "cpu" in RUNTIMES[runtime].devices:
                yield contender, runtime, file


def _graph_of(contender: Contender, path: Path) -> Path:
    """The ONNX graph to count: the file itself, or the one beside it of the same network."""
    if path.suffix == ".onnx":
        return path
    file = contender.card.file("onnx")
    if file is None:
        raise CountError(f"{contender.id} has no ONNX file to count operations in")
    return contender.folder / file.path


def _row(work: Work, call: Callable[[], object], peaks: Peaks, rounds: int) -> tuple[Row, float]:
    copy = peaks.copy_for(work.moved_bytes)
    taken = take_turns({"model": call, "float32": peaks.float32.call, "int8": peaks.int8.call, "copy": copy.call},
                       rounds=rounds)
    arithmetic = (work.float32_ops * taken["float32"] / peaks.float32.amount
                  + work.int8_ops * taken["int8"] / peaks.int8.amount)
    memory = work.moved_bytes * taken["copy"] / copy.amount
    share = ratio(np.maximum(arithmetic, memory), taken["model"])
    median = float(np.median(taken["model"]))
    return {
        "float32_ops": work.float32_ops, "int8_ops": work.int8_ops, "other_ops": work.other_ops,
        "moved_bytes": work.moved_bytes, "intensity": round(work.intensity, 3),
        "us": round(1e6 * median, 2), "gops": round(work.ops / median / 1e9, 3), "share": share.to_dict(),
        "arithmetic_us": round(1e6 * float(np.median(arithmetic)), 3),
        "memory_us": round(1e6 * float(np.median(memory)), 3),
        "bound": "arithmetic" if np.median(arithmetic) >= np.median(memory) else "memory",
    }, _spread(taken["float32"])


def _spread(seconds: NDArray[np.float64]) -> float:
    low, high = np.percentile(seconds, (10, 90))
    return round(float(high / low), 3) if math.isfinite(high / low) else 1.0
