"""When something else had the cores on which a load was measured, and which requests it may have struck.

A window counts as disturbed when others had more than `MOST` of the time of the cores of the server, or of the
generator. What the hypervisor stole counts in full. Of what other processes used, only as much as there was no idle
time for: a second core that nobody needs may be anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.rows import Rows
from benchmarks.load.stored import Load

Account = dict[str, Any]
MOST = 0.15              # of the time of a side's cores; the kernel counts in hundredths of a second, windows last half
AFTERWARDS_US = 500_000  # until a queue that built up meanwhile is gone


@dataclass(frozen=True)
class Window:
    """Begin and end in microseconds on the clock of the rows. Shares of the time of a side's cores."""

    begin: int
    end: int
    side: str
    stolen: float
    others: float | None  # None where the server is somebody else's, and may be among them

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.end - self.begin) / 1e6

    @property
    def taken(self) -> float:
        """Both together."""
        return self.stolen + (self.others or 0.0)


@dataclass(frozen=True)
class Disturbance:
    """All windows of a load, of the side that was worse off in each."""

    windows: tuple[Window, ...]

    @property
    def disturbed(self) -> tuple[Window, ...]:
        """Those in which too much was taken."""
        return tuple(window for window in self.windows if window.taken > MOST)

    def struck(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows were under way in a disturbed window, or shortly after it."""
        found = np.zeros(len(rows), bool)
        for window in self.disturbed:
            found |= (rows.intended < window.end + AFTERWARDS_US) & (rows.done > window.begin)
        return found

    def __str__(self) -> str:
        """`in 3 of 20 half-seconds something else had the server's cores, for up to 42% of their time (…)`."""
        worst = max(self.windows, key=lambda window: window.taken)
        others = "" if worst.others is None else f", other processes {worst.others:.0%}"
        return (f"in {len(self.disturbed)} of {len(self.windows)} half-seconds something else had the "
                f"{worst.side}'s cores, for up to {worst.taken:.0%} of their time (stolen by the hypervisor "
                f"{worst.stolen:.0%}{others})")


def disturbance(load: Load) -> Disturbance | None:
    """What the witness saw during a load; None where there was none."""
    seen = load.generator.get("witness")
    if not seen:
        return None
    windows = []
    for place, (begin, end) in enumerate(pairwise(seen["at"])):
        sides = [_window(name, side, place, begin, end) for name, side in seen["sides"].items()]
        windows.append(max(sides, key=lambda window: window.taken))
    return Disturbance(tuple(windows))


def undisturbed(load: Load) -> Rows:
    """The rows of a load that no disturbance can have struck: all where nobody watched."""
    seen = disturbance(load)
    return load.rows.where(~seen.struck(load.rows)) if seen else load.rows


def witnessed(loads: Iterable[Load]) -> Account | None:
    """What was taken from all these loads: `{seconds, disturbed, stolen, others}` in seconds, the last two times the
    share of the cores of the side that was worse off, and `worst`, a share. `others` is None where it is unknown, and
    all is None where nobody saw anything."""
    windows = [window for load in loads if (seen := disturbance(load)) for window in seen.windows]
    if not windows:
        return None
    others = [window.seconds * window.others for window in windows if window.others is not None]
    return {
        "seconds": sum(window.seconds for window in windows),
        "disturbed": sum(window.seconds for window in windows if window.taken > MOST),
        "stolen": sum(window.seconds * window.stolen for window in windows),
        "others": sum(others) if len(others) == len(windows) else None,
        "worst": max(window.taken for window in windows),
    }


def together(accounts: Iterable[Account | None]) -> Account | None:
    """Several of what `witnessed` says as one."""
    known = [account for account in accounts if account]
    if not known:
        return None
    columns = {key: [account[key] for account in known] for key in known[0]}
    return {key: None if None in values else (max if key == "worst" else sum)(values)
            for key, values in columns.items()}


def in_words(account: Account | None) -> str:
    """For people."""
    if account is None:
        return "not watched"
    seconds, others = account["seconds"], account["others"]
    had = "what other processes had is unknown" if others is None else \
        f"other processes had {others / seconds:.1%} of the cores' time"
    often = f"never more than {MOST:.0%}" if not account["disturbed"] else (
        f"more than {MOST:.0%} for {account['disturbed']:,.1f} of {seconds:,.0f} s, at worst {account['worst']:.0%}")
    return f"{had}, the hypervisor stole {account['stolen'] / seconds:.1%}; {often}"


def _window(name: str, side: dict[str, Any], place: int, begin: float, end: float) -> Window:
    others = side["others"][place]
    crowded = None if others is None else others * (1 - side["idle"][place])
    return Window(int(begin * 1e6), int(end * 1e6), name, side["stolen"][place], crowded)
