"""What the subcommands have in common: kinds of options, notes about the machine, and how Ctrl-C ends them."""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from benchmarks.capacity.slo import Slo
from benchmarks.comparison.contenders import MODELS, Contender, check_files, find_contenders, with_images
from benchmarks.load.payloads import ENCODERS
from benchmarks.load.schedule import rounded
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import warnings
from benchmarks.report.screen import LiveScreen

MOST_COUNT = 100_000
MOST_DIGITS = 9  # of a seed
RUNS = ROOT / "benchmarks" / "runs"
T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - not an error
    """Ctrl-C ended a measurement; the message says how to continue it."""


def measured(
    measure: Callable[[LiveScreen], T], *, folder: Path, machine: dict[str, Any], console: Console,
    finish: Callable[[], object] = lambda: None,
) -> T:
    """What `measure` returns, with its progress on the screen; after Ctrl-C `finish` shows what there is so far."""
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    try:
        with LiveScreen(console) as screen:
            return measure(screen)
    except KeyboardInterrupt:
        finish()
        raise Interrupted(f"to continue: [bold]{again(folder)}[/]") from None


def chosen_models(options: argparse.Namespace, console: Console) -> list[Contender]:
    """What `--models` names under `--root`, whole and with labelled images; a note for each that has none here."""
    contenders = with_images(options.root, find_contenders(options.root, options.models),
                             lambda line: console.print(f"[yellow]note:[/] {line}", soft_wrap=True))
    check_files(contenders)
    return contenders


def add_common(add: argparse.ArgumentParser, *, models: bool = True) -> None:
    """Options of everything that measures."""
    if models:
        add.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="names of models; default: all")
    add.add_argument("--root", type=Path, default=MODELS, help="folder of models and splits (default: models)")
    add.add_argument("--body", choices=ENCODERS, default="png", help="how images travel (default: png)")
    add.add_argument("--seed", type=seed, default=0, help="of arrival times, image order and order of turns")
    add.add_argument("--output", type=folder, help="run folder; an unfinished one is continued")


def new_folder(options: argparse.Namespace, kind: str = "") -> Path:
    """The folder that was asked for, or one named after now."""
    return options.output or RUNS / time.strftime(f"{kind}%Y-%m-%dT%H-%M-%S")


def command() -> str:
    """What was typed."""
    return f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip()


def again(folder: Path) -> str:
    """The command that continues what lies in `folder`."""
    return command() if "--output" in sys.argv else f"{command()} --output {folder}"


def folder(text: str) -> Path:
    """A folder that is there or can be made; told before anything is measured."""
    path = Path(text)
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file; name a folder")
    if not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"{there} cannot be written to; choose another folder")
    return path


def file(text: str) -> Path:
    """A file that can be written; told before anything is measured."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name the file that the result shall be")
    folder(str(path.parent))
    return path


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_COUNT or len(text) > 6:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_COUNT}")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 to {10**MOST_DIGITS - 1:,}")
    return int(text)


def positive(text: str) -> float:
    """A number above 0."""
    if not 0 < float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return float(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return float(text)


def slo(text: str) -> str:
    """`p99=20ms`."""
    return checked(text, Slo.parse)


def rates(text: str) -> tuple[float, ...]:
    """`100,200`; one that is named twice is meant once."""
    return tuple(dict.fromkeys(rounded(positive(part)) for part in text.split(",")))


def checked(text: str, parse: Callable[[str], object]) -> str:
    """`text`, where `parse` has nothing against it."""
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_dispersion(add: argparse.ArgumentParser) -> None:
    """The option of how unevenly requests come."""
    add.add_argument("--dispersion", type=positive, default=1.0, metavar="D", help="variance over mean of how many "
                     "requests come in a while: 1 is Poisson, above it they come in bursts (default: 1)")
