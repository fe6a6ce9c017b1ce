"""What this machine's CPU is: how many cores, which instructions."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores this process may run on, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_flags() -> frozenset[str]:
    """Flags of the first core as Linux reports them; empty elsewhere."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - a pseudo-file, read line by line
            for line in file:
                if line.startswith(("flags", "Features")):
                    return frozenset(line.split(":", 1)[1].split())
    except OSError:
        pass
    return frozenset()
