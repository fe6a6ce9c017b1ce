"""`roofline`: how far each model and runtime is from what this machine could do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.commands.shared import command, count, folder, new_folder
from benchmarks.comparison.contenders import MODELS, NothingToWeighError, find_contenders
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.roofline.count import CountError, load_onnx
from benchmarks.roofline.measure import BATCHES, ROUNDS, measure
from benchmarks.roofline.picture import draw
from benchmarks.roofline.result import as_result, publish, write_result
from benchmarks.roofline.words import COLUMNS, cells, ordered, sentence
from service.cpu import usable_cores
from service.runtimes import RUNTIMES

ON_SCREEN = (0, 1, 2, 3, 6, 8, 9)  # columns; the document has them all


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("roofline", help="how far each model is from what this machine could do")
    add.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="names of models; default: all")
    add.add_argument("--root", type=Path, default=MODELS, help="folder of models (default: models)")
    add.add_argument("--output", type=folder, metavar="FOLDER", help="where the result and its picture go")
    add.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=list(RUNTIMES), help="default: all that work")
    add.add_argument("--threads", nargs="+", type=count, metavar="N", help="default: 1, and one per usable core")
    add.add_argument("--batches", nargs="+", type=count, metavar="N", default=list(BATCHES), help="default: 1 32")
    add.add_argument("--rounds", type=count, default=ROUNDS, help=f"turns of each (default: {ROUNDS})")
    add.add_argument("--publish", action="store_true", help="copy the result to benchmarks/results/, for the docs")
    add.set_defaults(do=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Measure, show, store; 1 when something was left out."""
    try:
        load_onnx()
    except CountError as error:
        raise NothingToWeighError(str(error)) from error
    machine = fingerprint()
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    contenders = find_contenders(options.root, options.models)
    threads = sorted(set(options.threads or (1, usable_cores())))
    found = measure(contenders, options.runtimes, threads, batches=sorted(set(options.batches)),
                    rounds=options.rounds, say=lambda line: console.print(f"  [dim]{line}[/]"))
    result = as_result(found, machine, command())
    shown = Table(*(COLUMNS[place] for place in ON_SCREEN), box=None)
    for row in ordered(result):
        told = cells(row)
        shown.add_row(*(told[place] for place in ON_SCREEN))
    console.print(shown)
    console.print(sentence(result), soft_wrap=True)
    place = new_folder(options, "roofline-")
    place.mkdir(parents=True, exist_ok=True)
    path = write_result(result, place / "roofline.json")
    if (picture := draw(result)) is not None:
        (place / "roofline.svg").write_text(picture, encoding="utf-8")
    console.print(f"result: [bold]{path}[/], picture beside it", soft_wrap=True)
    if options.publish:
        console.print(f"published: {publish(result)}; now run make readme", soft_wrap=True)
    return 1 if result["left_out"] else 0
