"""What this machine's CPU is: how many cores, which instructions."""

from __future__ import annotations

import os
import platform


def usable_cores() -> int:
    """Cores this process may run on, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
