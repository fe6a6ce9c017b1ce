"""What this machine's CPU is: how many cores, which instructions."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """Cores by affinity, and no more than a container's share of CPU time: as `service.cpu` counts, which training
    does not know."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()[:2]
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def cpu_name() -> str:
    """The model as Linux reports it, or as Python knows it."""
    return _told("model name") or platform.processor() or platform.machine()


def cpu_generation() -> str | None:
    """Family and model, `family 23, model 1`: hypervisors call ten years of processors by one name. None where Linux
    does not tell."""
    for names in (("cpu family", "model"), ("CPU implementer", "CPU part")):  # x86, ARM
        told = [_told(name) for name in names]
        if all(told):
            return ", ".join(f"{name.split()[-1]} {value}" for name, value in zip(names, told, strict=True))
    return None


def cpu_flags() -> frozenset[str]:
    """Instruction sets of the first core as Linux reports them; empty elsewhere."""
    return frozenset((_told("flags") or _told("Features") or "").split())


def _told(name: str) -> str | None:
    """What /proc/cpuinfo says of the first core under a name; None when it says nothing."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - a pseudo-file, read line by line
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == name:
                    return value.strip()
    except OSError:
        pass
    return None
