"""Energy of a load: of the CPU packages by RAPL and of the GPUs by NVML, where they can be read; else why not.

RAPL counts the whole package: the server, the generator, everything else and idling. So it compares configurations
that were measured in the same way on the same machine, and says little about a server alone.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.machine.gpu import Gpus

POWERCAP = Path("/sys/class/powercap")
PACKAGE = re.compile(r"intel-rapl:\d+")   # packages only: cores and DRAM below them are parts of these
EVERY = 0.5  # seconds between looks at the GPU


class Rapl:
    """The packages' energy counters; `unknown` says why they cannot be read."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self._packages = sorted(path for path in root.glob("intel-rapl:*") if PACKAGE.fullmatch(path.name))
        self.unknown: str | None = None
        if not self._packages:
            self.unknown = f"no RAPL counters under {root} (as in most virtual machines)"
        elif self.read() is None:
            self.unknown = f"{self._packages[0] / 'energy_uj'} is readable for root only"

    def read(self) -> list[int] | None:
        """Microjoules of each package since some moment; None where they cannot be read."""
        try:
            return [int((package / "energy_uj").read_text()) for package in self._packages]
        except OSError:
            return None

    def joules(self, before: list[int] | None, after: list[int] | None) -> float | None:
        """Between two readings that are not further apart than one turn of the counter."""
        if self.unknown or before is None or after is None:
            return None
        spent = 0
        for package, one, other in zip(self._packages, before, after, strict=True):
            turn = int((package / "max_energy_range_uj").read_text()) if other < one else 0
            spent += other - one + turn
        return spent / 1e6


class EnergyMeter:
    """`with EnergyMeter() as meter:` around a load; `meter.used` afterwards is JSON-ready, unknown values None."""

    def __init__(self, rapl: Rapl | None = None, gpus: Gpus | None = None) -> None:
        self._rapl, self._gpus = rapl or Rapl(), gpus or Gpus()
        self._ended = threading.Event()
        self._seen: list[tuple[float, int]] = []
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.used: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if self._gpus.unknown is None:
            self._watcher.start()
        self._before = self._rapl.read(), self._gpus.joules()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (cpu, gpu), after = self._before, self._gpus.joules()
        self._ended.set()
        self.used = {
            "cpu_joules": self._rapl.joules(cpu, self._rapl.read()), "cpu_unknown": self._rapl.unknown,
            "gpu_joules": None if gpu is None or after is None else round(after - gpu, 3),
            "gpu_unknown": self._gpus.unknown,
            "gpu_utilisation": max((used for used, _ in self._seen), default=None),
            "gpu_memory_bytes": max((memory for _, memory in self._seen), default=None),
        }

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            if found := self._gpus.busy():
                self._seen.append(found)


def unknown_energy() -> str | None:
    """Why no energy can be told here; None where it can."""
    return Rapl().unknown
