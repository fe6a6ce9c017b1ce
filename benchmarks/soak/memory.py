"""Memory of a server's processes over time, and the question whether it grows."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

EVERY = 1.0        # seconds between samples
SETTLING = 0.2     # of the time, in which caches fill and allocators find their size,
SETTLING_S = 30.0  # but no less than this
BLOCKS = 10
T_BLOCKS = 2.306   # Student's t, 95 %, BLOCKS - 2 degrees of freedom
GROWTH = 0.02      # of the memory over the whole run: what is surely less is called flat


@dataclass
class Memory:
    """Samples of a process tree: (seconds, bytes)."""

    pid: int
    samples: list[tuple[float, int]] = field(default_factory=list)

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(EVERY)

    def sample(self) -> None:
        """One sample, now."""
        total = 0
        try:
            leader = psutil.Process(self.pid)
            for process in (leader, *leader.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.Error:  # ended in between
            return
        self.samples.append((time.monotonic(), total))

    def verdict(self) -> dict[str, Any]:
        """Slope of a line through block means after settling, with its 95 % interval, in bytes per minute.

        Neighbouring samples are nearly the same, so they are averaged in ten blocks, which are nearly independent.
        `flat` is None where memory swings too much to tell: not to have shown growth is not to have shown flatness.
        """
        times = np.array([at for at, _ in self.samples])
        sizes = np.array([size for _, size in self.samples], dtype=float)
        kept = times >= times[0] + max(SETTLING_S, SETTLING * (times[-1] - times[0]))
        times, sizes = times[kept], sizes[kept]
        found: dict[str, Any] = {
            "samples": len(self.samples), "first_bytes": self.samples[0][1], "last_bytes": self.samples[-1][1],
            "max_bytes": max(size for _, size in self.samples), "settled_bytes": int(sizes[0]) if len(sizes) else None,
        }
        if len(times) < 2 * BLOCKS:
            return {**found, "slope": None, "interval": None, "growth": None, "flat": None}
        x = np.array([block.mean() for block in np.array_split(times, BLOCKS)]) / 60
        y = np.array([block.mean() for block in np.array_split(sizes, BLOCKS)])
        slope, start = np.polyfit(x, y, 1)
        left = y - (slope * x + start)
        error = math.sqrt(float((left**2).sum()) / (BLOCKS - 2) / float(((x - x.mean()) ** 2).sum()))
        low, high = slope - T_BLOCKS * error, slope + T_BLOCKS * error
        share = float((x[-1] - x[0]) / y.mean())
        flat = True if high * share < GROWTH else False if low > 0 and slope * share >= GROWTH else None
        return {**found, "slope": round(float(slope)), "interval": [round(low), round(high)],
                "growth": round(float(slope) * share, 5), "flat": flat}
