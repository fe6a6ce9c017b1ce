"""Export finished runs: `python -m export NAME… [--format onnx torchscript pt2] [--to artifacts]`.

    python -m export fm-fast                        the best finished run of fm-fast, as ONNX and TorchScript
    python -m export 'fm000-*' --format onnx        several, by glob
    python -m export cf003 --half                   weights stored as float16: half the bytes of the ONNX file
    python -m export --split fashion-mnist test     a labelled split, for /evaluate
    python -m export zoo                            train what is missing, then export every recipe (make zoo)
    python -m export import model.onnx --classes classes.txt --normalize imagenet     from elsewhere: docs/own-model.md
    python -m export bundle cf-fast                 into models/, once and within its limit
    python -m export quantize fm-fast               a published artifact in int8 as well, where that is quicker here

Exit codes: 0 all done, 1 something was refused, 2 the command was wrong, 3 out of time, 130 interrupted.
"""

from __future__ import annotations

import argparse
import difflib
import math
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console

from export.bundle import BUNDLE, bundle
from export.finished import finished_run
from export.importing.command import run as import_foreign
from export.publish import FILES, Published, publish
from export.split import export_split
from export.zoo import zoo
from training.datasets import MissingDataset
from training.own.store import is_own
from training.plan import How
from training.recipes import EVERY_RECIPE, RECIPES
from training.runs import Run, RunError, find_run

console = Console(highlight=False, soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["import"]:
        return import_foreign(given[1:], console)
    options = parser().parse_args(given)
    try:
        if options.split:
            dataset, split = options.split
            card, folder = export_split(dataset, split, options.to)
            console.print(f"{card.count:,} labelled images: {folder}")
            return 0
        if options.names[:1] == ["zoo"]:
            how = How(jobs=options.jobs, seconds=60 * options.max_minutes)
            return zoo(options.names[1:], options.to, console, formats=options.format, how=how, only_plan=options.plan)
        if options.names[:1] == ["quantize"]:
            return _quantize(options.names[1:], options)
    except KeyboardInterrupt:
        console.print("interrupted; the last finished epoch is saved, the same command goes on from there")
        return 130
    except (ValueError, MissingDataset, OSError) as error:
        console.print(f"[red]{error}[/]")
        return 2
    into_bundle = options.names[:1] == ["bundle"]
    names = chosen(options.names[1:] if into_bundle else options.names)
    if not names:
        console.print("nothing to export: give recipe names or a glob, e.g. python -m export fm-fast")
        return 2
    refused = [name for name in names if not export_one(name, options, into_bundle)]
    if refused:
        console.print(f"[red]not exported: {', '.join(refused)}[/]")
    return 1 if refused else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m export", description="Export finished training runs.",
                                     epilog="python -m export import --help: take in a model that something else made")
    result.add_argument("names", nargs="*", metavar="NAME",
                        help="recipe names, globs, or all; or: zoo [NAME…], bundle NAME…, quantize NAME…")
    result.add_argument(
        "--format", nargs="+", choices=FILES, default=["onnx", "torchscript"], help="default: both first"
    )
    result.add_argument("--to", type=Path, default=Path("artifacts"), metavar="ROOT",
                        help="default: artifacts; `bundle` goes to models/")
    result.add_argument("--runs", type=Path, metavar="ROOT", help="default: where training writes them")
    result.add_argument("--seed", type=int, help="this run; default: the best on validation")
    result.add_argument("--protocol", choices=["clean", "report"],
                        help="default: clean, or report where no clean run is finished")
    result.add_argument("--half", action="store_true", help="store the ONNX file's weights as float16, gated")
    result.add_argument("--publish", action="store_true",
                        help="quantize: keep the records in export/results/int8 as well, for the documents")
    result.add_argument("--split", nargs=2, metavar=("DATASET", "SPLIT"), help="export a labelled split instead")
    result.add_argument("--plan", action="store_true", help="zoo: only say what would be done and how long it takes")
    result.add_argument("--jobs", type=_count, metavar="N", help="zoo: training processes; default: one per core")
    result.add_argument("--max-minutes", type=_minutes, default=math.inf, metavar="M",
                        help="zoo: stop training before this")
    return result


def _count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number from 1 on")
    return number


def _minutes(text: str) -> float:
    if not (number := float(text)) >= 0:
        raise argparse.ArgumentTypeError(f"{text} is no time")
    return number


def chosen(patterns: list[str]) -> list[str]:
    """Recipe names that match any pattern, in the order of the patterns; another name is kept: own data has its own."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = list(RECIPES) if pattern == "all" else [name for name in RECIPES if fnmatchcase(name, pattern)]
        names.update(dict.fromkeys(found or [pattern]))
    return list(names)


def export_one(name: str, options: argparse.Namespace, into_bundle: bool = False) -> bool:
    """Export one recipe's run; says what happened and whether it worked."""
    try:
        run = _run(name, options)
        console.print(f"[bold]{name}[/] from {run.folder}")
        done = _publish(run, options, into_bundle)
    except (RunError, MissingDataset, ValueError, OSError) as error:
        console.print(f"  [red]refused:[/] {error}{_meant(name)}")
        return False
    console.print(f"  {'already published' if done.existed else 'published'}: {done.folder}")
    return True


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, RECIPES, n=2) if name not in EVERY_RECIPE else []
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _own_split(run: Run, root: Path) -> None:
    """The test part of own data beside its model, so that it can be evaluated and weighed at once."""
    if is_own(run.recipe.dataset):
        card, folder = export_split(run.recipe.dataset, "test", root)
        console.print(f"  {card.count:,} labelled images for /evaluate and for weighing: {folder}")


def _quantize(patterns: list[str], options: argparse.Namespace) -> int:
    """Try int8 on artifacts; 0 when every one of them has it, 1 when some stay as they are."""
    from export.quantize import RESULTS, names_in, quantize_artifact  # its library takes a second to import

    sources = (options.to, BUNDLE)
    names, stayed = names_in(patterns, sources), []
    if not names:
        console.print("nothing to quantise: give names of artifacts or a glob, e.g. python -m export quantize fm-fast")
        return 2
    for name in names:
        console.print(f"[bold]{name}[/]")
        try:
            done = quantize_artifact(name, options.to, sources, results=RESULTS if options.publish else None,
                                     say=lambda line: console.print(f"  {line}"))
        except (ValueError, MissingDataset) as error:
            console.print(f"  [red]refused:[/] {error}")
            stayed.append(name)
        else:
            console.print(f"  {'already there' if done.existed else 'published'}: {done.folder}")
    if stayed:
        console.print(f"not in int8: {', '.join(stayed)}")
    return 1 if stayed else 0


def _run(name: str, options: argparse.Namespace) -> Run:
    if options.protocol is None and options.seed is None and (run := finished_run(name, options.runs)) is not None:
        return run
    return find_run(name, root=options.runs, seed=options.seed, protocol=options.protocol or "clean")


def _publish(run: Run, options: argparse.Namespace, into_bundle: bool) -> Published:
    def say(line: str) -> None:
        console.print(f"  {line}")

    if into_bundle:
        return bundle(run, BUNDLE, half=options.half, say=say)
    _own_split(run, options.to)
    return publish(run, options.to, formats=options.format, half=options.half, say=say)


if __name__ == "__main__":
    sys.exit(main())
