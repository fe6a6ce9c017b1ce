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
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from rich.console import Console
from rich.markup import escape

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
    try:
        if given[:1] == ["import"]:
            return import_foreign(given[1:], console)
        command = given[0] if given and given[0] in COMMANDS else None
        options = parser(command).parse_args(given[1:] if command else given)
        done: int = options.do(options)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, the same command goes on from there")
        return 130
    except (ValueError, MissingDataset, OSError) as error:
        console.print(str(error), style="red", markup=False)
        return 2
    return done


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line: of exporting, or of one of COMMANDS. Each has the options that mean something to it."""
    if command is not None:
        about, add = COMMANDS[command]
        result = argparse.ArgumentParser(prog=f"python -m export {command}", description=about)
        add(result)
        return result
    abouts = {name: about for name, (about, _) in COMMANDS.items()} | {"import": "take in what something else made"}
    result = argparse.ArgumentParser(
        prog="python -m export", description="export finished training runs",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["other commands, each with its --help:",
                          *(f"  python -m export {name:<9} {about}" for name, about in abouts.items())]))
    _add_export(result)
    return result


def _add_export(add: argparse.ArgumentParser) -> None:
    add.add_argument("names", nargs="*", metavar="NAME", help="recipe names, globs, or all")
    _add_formats(add)
    _add_target(add)
    _add_run(add)
    add.add_argument("--split", nargs=2, metavar=("DATASET", "SPLIT"), help="export a labelled split instead")
    add.set_defaults(do=_export)


def _add_bundle(add: argparse.ArgumentParser) -> None:
    add.add_argument("names", nargs="+", metavar="NAME", help="recipe names, globs, or all")
    _add_run(add)
    add.set_defaults(do=_bundle)


def _add_zoo(add: argparse.ArgumentParser) -> None:
    add.add_argument("names", nargs="*", metavar="NAME", help="recipe names, globs, or all; default: every recipe")
    _add_formats(add)
    _add_target(add)
    add.add_argument("--plan", action="store_true", help="only say what would be done and how long it takes")
    add.add_argument("--jobs", type=_count, metavar="N", help="training processes; default: one per core")
    add.add_argument("--max-minutes", type=_minutes, default=math.inf, metavar="M", help="stop training before this")
    add.set_defaults(do=_zoo)


def _add_quantize(add: argparse.ArgumentParser) -> None:
    add.add_argument("names", nargs="*", metavar="NAME", help="names of artifacts, or globs")
    _add_target(add)
    add.add_argument("--publish", action="store_true",
                     help="keep the records in export/results/int8 as well, for the documents")
    add.set_defaults(do=_quantize)


def _add_formats(add: argparse.ArgumentParser) -> None:
    add.add_argument("--format", nargs="+", choices=FILES, default=["onnx", "torchscript"], help="default: both first")


def _add_target(add: argparse.ArgumentParser) -> None:
    add.add_argument("--to", type=Path, default=Path("artifacts"), metavar="ROOT", help="default: artifacts")


def _add_run(add: argparse.ArgumentParser) -> None:
    add.add_argument("--runs", type=Path, metavar="ROOT", help="default: where training writes them")
    add.add_argument("--seed", type=int, help="this run; default: the best on validation")
    add.add_argument("--protocol", choices=["clean", "report"],
                     help="default: clean, or report where no clean run is finished")
    add.add_argument("--half", action="store_true", help="store the ONNX file's weights as float16, gated")


COMMANDS = {
    "zoo": ("train what is missing, then export every recipe", _add_zoo),
    "bundle": ("export into models/, ONNX only, once and within its limit", _add_bundle),
    "quantize": ("try a published artifact in int8, and keep it where it is quicker here", _add_quantize),
}


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


def _export(options: argparse.Namespace) -> int:
    if options.split:
        if options.names:
            raise ValueError(f"--split exports labelled images and no network: leave {' '.join(options.names)} out")
        dataset, split = options.split
        card, folder = export_split(dataset, split, options.to)
        console.print(f"{card.count:,} labelled images: {folder}")
        return 0
    if not options.names:
        raise ValueError("nothing to export: give recipe names or a glob, e.g. python -m export fm-fast")

    def export(run: Run) -> Published:
        _own_split(run, options.to)
        return publish(run, options.to, formats=options.format, half=options.half, say=_say)

    return _each(options, export)


def _bundle(options: argparse.Namespace) -> int:
    return _each(options, lambda run: bundle(run, BUNDLE, half=options.half, say=_say))


def _each(options: argparse.Namespace, publish_run: Callable[[Run], Published]) -> int:
    """Publish a run of every recipe; 0 when all are, 1 when some were refused."""
    names = chosen(options.names)
    refused = [name for name in names if not _one(name, options, publish_run)]
    if refused:
        console.print(f"[red]not exported: {', '.join(refused)}[/]")
    return 1 if refused else 0


def _one(name: str, options: argparse.Namespace, publish_run: Callable[[Run], Published]) -> bool:
    """Publish one recipe's run; says what happened and whether it worked."""
    try:
        run = _run(name, options)
        console.print(f"[bold]{name}[/] from {run.folder}")
        done = publish_run(run)
    except (RunError, MissingDataset, ValueError, OSError, RuntimeError) as error:  # the last: no such runtime
        console.print(f"  [red]refused:[/] {escape(str(error))}{_meant(name)}")
        return False
    console.print(f"  {'already published' if done.existed else 'published'}: {done.folder}")
    return True


def _say(line: str) -> None:
    console.print(f"  {line}")


def _zoo(options: argparse.Namespace) -> int:
    how = How(jobs=options.jobs, seconds=60 * options.max_minutes)
    return zoo(options.names, options.to, console, formats=options.format, how=how, only_plan=options.plan)


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name, RECIPES, n=2) if name not in EVERY_RECIPE else []
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _own_split(run: Run, root: Path) -> None:
    """The test part of own data beside its model, so that it can be evaluated and weighed at once."""
    if is_own(run.recipe.dataset):
        card, folder = export_split(run.recipe.dataset, "test", root)
        console.print(f"  {card.count:,} labelled images for /evaluate and for weighing: {folder}")


def _quantize(options: argparse.Namespace) -> int:
    """Try int8 on artifacts; 0 when every one of them has it, 1 when some stay as they are."""
    from export.quantize import RESULTS, names_in, quantize_artifact  # its library takes a second to import

    sources = (options.to, BUNDLE)
    names, stayed = names_in(options.names, sources), []
    if not names:
        console.print("nothing to quantise: give names of artifacts or a glob, e.g. python -m export quantize fm-fast")
        return 2
    for name in names:
        console.print(f"[bold]{name}[/]")
        try:
            done = quantize_artifact(name, options.to, sources, results=RESULTS if options.publish else None,
                                     say=_say)
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


if __name__ == "__main__":
    sys.exit(main())
