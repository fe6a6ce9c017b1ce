"""The ways of running one model that are timed beside each other, and why one of them cannot be had here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import Contender
from service.runtimes import RUNTIMES, Runtime, RuntimeUnavailable, gpu_here, missing, open_model

BASE, CONTROL = "cpu", "cpu-control"  # the same twice: what they differ by is what a ratio is worth
THREADS = 8                           # of the CPU's second chance, where there are so many cores


@dataclass(frozen=True, kw_only=True)
class Way:
    """A runtime on a device; `name` is its key in results."""

    name: str
    runtime: str
    device: str = "cuda"
    threads: int = 1

    @property
    def warm_ups(self) -> int:
        """Calls before the first one that counts: a GPU's clock rises, and TorchScript compiles meanwhile."""
        return 3 if self.device == "cpu" else 20


def ways(threads: int) -> list[Way]:
    """All of them; `threads` is what the CPU gets beside its one thread, 1 for nothing."""
    several = [Way(name=f"cpu-{threads}-threads", runtime="onnxruntime", device="cpu", threads=threads)]
    return [
        Way(name=BASE, runtime="onnxruntime", device="cpu"),
        Way(name=CONTROL, runtime="onnxruntime", device="cpu"),
        *(several if threads > 1 else []),
        Way(name="cuda", runtime="onnxruntime"),
        Way(name="cuda-graphs", runtime="onnxruntime-graphs"),
        Way(name="torchscript-cuda", runtime="torchscript"),
    ]


def open_way(way: Way, contender: Contender) -> Runtime:
    """The model, opened in this way; RuntimeUnavailable with the reason where that is impossible."""
    wanted = RUNTIMES[way.runtime].format
    file = contender.card.file(wanted)
    if way.device == "cuda" and not gpu_here():
        raise RuntimeUnavailable("no NVIDIA GPU is here")
    if file is None:
        raise RuntimeUnavailable(f"not exported as {wanted}")
    if (why := missing(way.runtime)) is not None:
        raise RuntimeUnavailable(why)
    try:
        return open_model(way.runtime, contender.folder / file.path, device=way.device, threads=way.threads)
    except RuntimeUnavailable:
        raise
    except Exception as error:  # the libraries raise of many kinds for a file that they cannot read
        raise RuntimeUnavailable(f"{type(error).__name__}: {error}") from error


def warm_up(way: Way, run: Runtime, images: NDArray[np.uint8]) -> None:
    """Calls that do not count; RuntimeUnavailable where this many images are too many, or anything else is wrong."""
    try:
        for _ in range(way.warm_ups):
            run(images)
    except Exception as error:  # out of memory, mostly, and every library has a kind of its own
        raise RuntimeUnavailable(f"at {len(images)} images {type(error).__name__}: {error}") from error
