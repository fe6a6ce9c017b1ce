"""How many CPU cores this process may really use: affinity and cgroup quota, not what the machine has.

ONNX Runtime and torch size their thread pools by the machine and ignore both, which makes a pinned or
containerised process slower than one thread would be. So every runtime here is told a number from this file.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """Cores by scheduler affinity, lowered to the cgroup-v2 quota (rounded up) where one is set. At least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()[:2]
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, math.ceil(int(quota) / int(period))))
