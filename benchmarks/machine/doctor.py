"""This machine as a place to measure: its fingerprint, how punctual its cores are, and what is off."""

from __future__ import annotations

import time

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.comparison.contenders import MODELS, NothingToWeighError, find_contenders
from benchmarks.load.audit import MIN_LAG_US
from benchmarks.load.disturbance import MOST
from benchmarks.machine.cores import Cores, share_out
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.machine.hiccups import Hiccups, hiccups
from benchmarks.machine.witness import Side, Witness

WATCH_S = 4.0  # each core


def doctor(console: Console, seconds: float = WATCH_S) -> int:
    """Print it all; 0 even where something is off, because only the reader knows what the figures are for.

    Every core that would measure is watched for `seconds`.
    """
    machine, cores = fingerprint(), share_out()
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in machine.items():
        table.add_row(f"[dim]{key}[/]", _shown(value))
    table.add_row("[dim]pinning[/]", str(cores))
    table.add_row("[dim]models[/]", _models())
    off = warnings(machine)
    for who, own in _watching(cores).items():
        with console.status(f"watching {who}"):
            found, taken = _watch(own, seconds)
        table.add_row(f"[dim]{who}[/]", _punctual(found, taken))
        off += unpunctual(who, found, taken)
    console.print(table)
    for warning in off:
        console.print(f"[yellow]off:[/] {warning}")
    if not off:
        console.print("[green]nothing is off[/]")
    return 0


def unpunctual(who: str, found: Hiccups, taken: dict[str, float] | None) -> list[str]:
    """What is off about a core. `taken` has the shares that were stolen, and that others had."""
    off, late = [], float(np.percentile(found.late_us, 99))
    if late > MIN_LAG_US:
        off.append(f"{who}: one wake-up in a hundred is {late / 1000:.1f} ms late or more, with nothing else to do: no "
                   "p99 below that is the server's, and no schedule is kept better")
    if found.interrupted > MOST:
        said = "" if taken is None else (f" (stolen by the hypervisor {taken['stolen']:.0%}, other processes "
                                         f"{taken['others']:.0%})")
        off.append(f"{who}: something else had {found.interrupted:.0%} of the time{said}: what is measured then is "
                   "slower than the server")
    return off


def _watching(cores: Cores) -> dict[str, tuple[int, ...]]:
    if not cores.server:
        return {"this machine": ()}
    if not cores.apart:
        return {f"core {cores.server[0]}": cores.server[:1]}
    return {f"core {cores.server[0]}, server": cores.server[:1],
            f"core {cores.generator[-1]}, generator": cores.generator[-1:]}


def _watch(cores: tuple[int, ...], seconds: float) -> tuple[Hiccups, dict[str, float] | None]:
    witness = Witness()
    witness.look(time.monotonic(), {"own": Side(cores, time.process_time())})
    found = hiccups(cores, seconds)
    witness.look(time.monotonic(), {"own": Side(cores, time.process_time())})
    account = witness.account()
    seen = account and account["sides"]["own"]
    return found, {"stolen": seen["stolen"][0], "others": seen["others"][0]} if seen and cores else None


def _punctual(found: Hiccups, taken: dict[str, float] | None) -> str:
    p50, p99, most = (each / 1000 for each in (*np.percentile(found.late_us, (50, 99)), found.late_us.max()))
    told = (f"with nothing to do it wakes {p50:.3f} ms late (p50), {p99:.3f} (p99), {most:.2f} at most, and is held up "
            f"for {found.interrupted:.1%} of its time, {found.longest_us / 1000:.2f} ms at most")
    return told if taken is None else \
        f"{told}; of it {taken['stolen']:.1%} were stolen meanwhile, and other processes had {taken['others']:.1%}"


def _models() -> str:
    try:
        return ", ".join(contender.id for contender in find_contenders(MODELS))
    except NothingToWeighError as error:
        return str(error)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items() if entry is not None) or "none set"
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
