"""`devices`: how long one call takes on the CPU and on a GPU, by batch size."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.commands.shared import command, file, new_folder
from benchmarks.comparison.contenders import MODELS, NothingToWeighError, find_contenders
from benchmarks.comparison.run import RunError
from benchmarks.devices.measure import BATCHES, BLOCK_CALLS, BLOCK_S, LARGEST, ROUNDS, SEED, measure
from benchmarks.devices.result import as_result, publish, write_result
from benchmarks.devices.ways import THREADS, ways
from benchmarks.devices.words import caption, cells, columns, left_out
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.machine.gpu import Gpus
from service.cpu import usable_cores


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("devices", help="how long one call takes on the CPU and on a GPU, by batch size")
    add.add_argument("models", nargs="*", metavar="MODEL", help="names or globs; default: all")
    add.add_argument("--root", type=Path, default=MODELS, help="folder of models (default: models)")
    add.add_argument("--batches", nargs="+", type=int, metavar="N", default=list(BATCHES), help="default: 1 8 32 128")
    add.add_argument("--threads", type=int, default=min(THREADS, usable_cores()),
                     help=f"of the CPU, beside one (default: one per usable core, at most {THREADS})")
    add.add_argument("--rounds", type=int, default=ROUNDS,
                     help=f"blocks of up to {BLOCK_CALLS} calls of each (default: {ROUNDS})")
    add.add_argument("--output", type=file, metavar="FILE", help="the result (default: in a folder of benchmarks/runs)")
    add.add_argument("--publish", action="store_true", help="copy the result to benchmarks/results/, for the docs")
    add.set_defaults(do=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Time, show, store."""
    if min(*options.batches, options.threads, options.rounds) < 1 or max(options.batches) > LARGEST:
        raise NothingToWeighError(f"--threads and --rounds are counts, from 1 on, and --batches from 1 to {LARGEST}")
    machine, batches = fingerprint(), sorted(set(options.batches))
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    found = measure(find_contenders(options.root, options.models or ["*"]), ways(options.threads), batches=batches,
                    rounds=options.rounds, say=lambda line: console.print(f"  [dim]{line}[/]"))
    asked = {"rounds": options.rounds, "block_calls": BLOCK_CALLS, "block_ms": 1000 * BLOCK_S, "seed": SEED}
    result = as_result(found, machine=machine, gpu=Gpus().about(), asked=asked, command=command())
    if not result["rows"]:
        raise RunError(" ".join(["nothing could be timed.", *left_out(result)]))
    shown = Table(*columns(result), box=None)
    for row in result["rows"]:
        shown.add_row(*cells(result, row))
    console.print(shown)
    console.print(caption(result), soft_wrap=True)
    path = write_result(result, options.output or new_folder(options, "devices-") / "devices.json")
    console.print(f"result: [bold]{path}[/]", soft_wrap=True)
    if options.publish:
        console.print(f"published: {publish(result)}; now run make readme", soft_wrap=True)
    return 0
