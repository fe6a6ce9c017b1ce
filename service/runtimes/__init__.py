"""The ways a graph can be executed, behind one small contract: uint8 images in, probabilities out.

A runtime knows nothing of HTTP, labels or cards. Each lives in one file here, is imported only when asked for,
and says how to install what it misses. `RUNTIMES` is the whole list; docs/runtimes.md says what each is good for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class RuntimeUnavailable(RuntimeError):  # noqa: N818 - a state of the machine
    """This runtime or device cannot be used on this machine; the message says what is missing and the cure."""


class Runtime(Protocol):
    """An opened model. Calls are thread-safe; one call is one batch."""

    name: str      # key in RUNTIMES
    version: str   # of the library that executes the graph
    device: str    # "cpu" or "cuda", what the session really opened on
    threads: int   # intra-op threads

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (batch, classes), float32, for images (batch, height, width, channels), uint8."""
        ...


@dataclass(frozen=True, kw_only=True)
class RuntimeSpec:
    """A row of RUNTIMES: the file format it reads, the package it needs, and the function that opens it."""

    format: str
    needs: str    # the module that must be installed
    opener: str   # "module:function"; the function takes (path, *, device, threads)
    devices: tuple[str, ...] = ("cpu", "cuda")
    why: str = ""  # not on another device, where that is not plain
    cure: str = "`make setup` installs everything"
    optional: bool = False  # whether a matrix that names no runtimes leaves it out where it is not installed


RUNTIMES: dict[str, RuntimeSpec] = {  # the first of a format is the one that checks a file when it is exported
    "onnxruntime": RuntimeSpec(format="onnx", needs="onnxruntime", opener="service.runtimes.ort:open_model"),
    "onnxruntime-int8": RuntimeSpec(
        format="onnx-int8", needs="onnxruntime", opener="service.runtimes.ort:open_int8", devices=("cpu",),
    ),
    "onnxruntime-graphs": RuntimeSpec(
        format="onnx", needs="onnxruntime", opener="service.runtimes.cuda:open_graphs", devices=("cuda",),
        optional=True,
    ),
    "tensorrt": RuntimeSpec(
        format="onnx", needs="tensorrt", opener="service.runtimes.cuda:open_tensorrt", devices=("cuda",), optional=True,
        cure="`pip install tensorrt-cu13` on a machine with an NVIDIA GPU",
    ),
    "openvino": RuntimeSpec(
        format="onnx", needs="openvino", opener="service.runtimes.vino:open_model", devices=("cpu",), optional=True,
        cure="the group `openvino` installs it: docs/runtimes.md",
    ),
    "torchscript": RuntimeSpec(format="torchscript", needs="torch", opener="service.runtimes.script:open_torchscript"),
    "torchexport": RuntimeSpec(
        format="pt2", needs="torch", opener="service.runtimes.script:open_exported", devices=("cpu",),
        why="the archive asserts at each call that its tensors are where it was exported",
    ),
    "aotinductor": RuntimeSpec(
        format="pt2", needs="torch", opener="service.runtimes.inductor:open_model", devices=("cpu",),
    ),
}


def gpu_here() -> bool:
    """Whether the system shows an NVIDIA GPU. Only an opened session is proof; without one nothing need be tried."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def missing(runtime: str) -> str | None:
    """Why `runtime` cannot work here, told without importing it; None when nothing is known against it."""
    spec = RUNTIMES[runtime]
    if "cpu" not in spec.devices and not gpu_here():
        return "it runs on an NVIDIA GPU only, and none is here"
    return None if find_spec(spec.needs) else f"{spec.needs} is not installed; {spec.cure}"


def open_model(runtime: str, path: Path, *, device: str = "cpu", threads: int = 1) -> Runtime:
    """Open the graph at `path` with the named runtime on `device` ("cpu" or "cuda").

    Raises ValueError for an unknown name, RuntimeUnavailable where this machine cannot run it.
    """
    try:
        spec = RUNTIMES[runtime]
    except KeyError:
        raise ValueError(f"unknown runtime {runtime!r}; known are {', '.join(RUNTIMES)}") from None
    if device not in ("cpu", "cuda"):
        raise ValueError(f"unknown device {device!r}; known are cpu, cuda")
    if device not in spec.devices:
        why = f": {spec.why}" if spec.why else ""
        raise RuntimeUnavailable(f"{runtime} runs on {' or '.join(spec.devices)}, not on {device}{why}")
    module, function = spec.opener.split(":")
    opener = getattr(import_module(module), function)
    opened: Runtime = opener(path, device=device, threads=threads)
    return opened
