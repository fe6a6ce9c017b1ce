"""Export finished runs: `python -m export NAME… [--format onnx torchscript pt2] [--to artifacts]`.

    python -m export fm-fast                        the best finished run of fm-fast, as ONNX and TorchScript
    python -m export 'fm000-*' --format onnx        several, by glob
    python -m export --split fashion-mnist test     a labelled split, for /evaluate
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from rich.console import Console

from export.publish import publish
from service.card import Format
from service.splits import write_split
from training.datasets import DATASETS, MissingDataset, load_split
from training.recipes import RECIPES
from training.runs import RunError, find_run

console = Console(highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Export what was asked for; 0 when all of it succeeded, 1 when something was refused, 2 for a wrong command."""
    options = parser().parse_args(arguments)
    if options.split:
        dataset, split = options.split
        return export_split(dataset, split, options.to)
    names = chosen(options.names)
    if not names:
        console.print("nothing to export: give recipe names or a glob, e.g. python -m export fm-fast")
        return 2
    refused = [name for name in names if not export_one(name, options)]
    if refused:
        console.print(f"[red]not exported: {', '.join(refused)}[/]")
    return 1 if refused else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m export", description="Export finished training runs.")
    result.add_argument("names", nargs="*", metavar="NAME", help="recipe names, globs, or all")
    result.add_argument(
        "--format", nargs="+", choices=get_args(Format), default=["onnx", "torchscript"], help="default: both first"
    )
    result.add_argument("--to", type=Path, default=Path("artifacts"), metavar="ROOT", help="default: artifacts")
    result.add_argument("--runs", type=Path, metavar="ROOT", help="default: where training writes them")
    result.add_argument("--seed", type=int, help="this run; default: the best on validation")
    result.add_argument("--protocol", default="clean", choices=["clean", "report"], help="default: clean")
    result.add_argument("--split", nargs=2, metavar=("DATASET", "SPLIT"), help="export a labelled split instead")
    return result


def chosen(patterns: list[str]) -> list[str]:
    """Recipe names that match any pattern, in the order of the patterns; an unknown name is kept, to be reported."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = list(RECIPES) if pattern == "all" else [name for name in RECIPES if fnmatchcase(name, pattern)]
        names.update(dict.fromkeys(found or [pattern]))
    return list(names)


def export_one(name: str, options: argparse.Namespace) -> bool:
    """Export one recipe's run; says what happened and whether it worked."""
    try:
        run = find_run(name, root=options.runs, seed=options.seed, protocol=options.protocol)
        console.print(f"[bold]{name}[/] from {run.folder}")
        done = publish(run, options.to, formats=options.format, say=lambda line: console.print(f"  {line}"))
    except (RunError, MissingDataset, ValueError) as error:
        console.print(f"  [red]refused:[/] {error}")
        return False
    console.print(f"  {'already published' if done.existed else 'published'}: {done.folder}")
    return True


def export_split(dataset: str, split: str, root: Path) -> int:
    """Write a labelled split under `root/splits`, with the data set's own facts in its card."""
    if dataset not in DATASETS:
        console.print(f"unknown data set {dataset!r}; known are {', '.join(DATASETS)}")
        return 2
    try:
        data = load_split(dataset, split)
    except (MissingDataset, ValueError) as error:
        console.print(str(error))
        return 2
    facts = DATASETS[dataset]
    folder = root / "splits" / f"{dataset}-{split}"
    card = write_split(
        folder, data.images, data.labels.astype("uint8"),
        dataset=dataset, split=split, classes=facts.classes, licence=facts.licence,
    )
    console.print(f"{card.count:,} labelled images: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
