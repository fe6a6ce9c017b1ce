"""Train recipes by name.

    python -m training --list
    python -m training --show fm-fast
    python -m training fm000-linear fm-fast          one run each, seed 0
    python -m training 'fm004-*' --seeds 3           seeds 0, 1, 2 of every recipe the glob matches
    python -m training all --max-minutes 60          stops in time; the same command goes on
    python -m training all --seeds 5 --engine ray    on the nodes of a Ray cluster: docs/scale-out.md
    python -m training fm-fast --data flowers/ --size 64x64     on a folder of class folders: docs/own-model.md
    python -m training results                       derive training/results/ from the finished runs
    python -m training probe fm001-mixer             measure and commit how long a run would take, without running it
    python -m training report                        one HTML page with curves, matrices and the table

There are no flags for hyper-parameters: an ad-hoc run is a new recipe. Exit codes: 0 all runs complete, 2 the
question was wrong or data is missing or damaged, 3 out of time, 130 interrupted.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from training.catalogue import listing, on_data_at_hand, select, shown
from training.datasets import DATASETS, MissingDataset
from training.download import download
from training.own.command import adapted, add_options, from_file, refuse_without_data
from training.places import runs_folder
from training.protocol import PROTOCOLS
from training.runs import RunError

if TYPE_CHECKING:
    from training.loop import Task
    from training.recipe import Recipe

EXIT_USAGE, EXIT_OUT_OF_TIME, EXIT_INTERRUPTED = 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        if options.list:
            wide = console if console.is_terminal else Console(width=1000)  # nobody wraps or cuts what is piped
            wide.print(listing(variants=options.variants))
        elif options.show:
            for recipe in select([options.show]):
                console.print(shown(recipe), markup=False, highlight=False)
        elif options.download:
            console.print(f"{options.download} is in {download(options.download)}")
        elif options.names == ["results"]:
            return _derive(console)
        elif options.names[:1] == ["probe"]:
            return _probe(options.names[1:], console)
        elif options.names == ["report"]:
            from training.report import write_report

            console.print(write_report(options.output or runs_folder() / "training-report.html"), highlight=False)
        elif options.names:
            return _train(options, console)
        elif options.data:
            raise ValueError("--data: which recipe shall be trained on it? python -m training fm-fast --data …; "
                             "--list shows all")
        else:
            parser.print_help()
            return EXIT_USAGE
    except KeyboardInterrupt:
        console.print("interrupted; the last finished epoch is saved, the same command goes on from there")
        return EXIT_INTERRUPTED
    except (ValueError, MissingDataset, RunError, OSError) as error:
        _complain(error)
        return EXIT_USAGE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train image classifiers by recipe.")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="recipe names, globs, or all; or: results, probe NAME…, report")
    parser.add_argument("--list", action="store_true", help="all recipes, with the reported figure and ours")
    parser.add_argument("--variants", action="store_true", help="with --list: what the reports only name")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where `report` goes; default: the runs folder")
    parser.add_argument("--show", metavar="NAME", help="a recipe in full, as JSON")
    parser.add_argument("--download", choices=[*DATASETS], metavar="DATASET", help="fetch an original data set")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=_positive, metavar="N", help="seeds 0 to N-1")
    seeds.add_argument("--seed", type=_seed, metavar="K", help="only seed K; default 0")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="clean", help="clean: validation from train, the "
                        "test split scored once (default); report: as the recipe's report did")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=_positive, metavar="N", help="CPU threads; default: the usable cores")
    parser.add_argument("--jobs", type=_positive, metavar="N", help="processes; default: one per core for small "
                        "networks, one for the others")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="where to train: on this machine "
                        "(default), or on the nodes of a Ray cluster ($RAY_ADDRESS)")
    parser.add_argument("--no-probe", dest="probe", action="store_false", help="rules of thumb instead of trying out "
                        "what is fastest here")
    parser.add_argument("--max-minutes", type=float, default=math.inf, metavar="M",
                        help="stop cleanly before this; the same command resumes")
    add_options(parser)
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _seed(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def _recipes(options: argparse.Namespace, console: Console) -> list[Recipe]:
    if options.data is None:
        refuse_without_data(options)
        if files := [name for name in options.names if name.endswith(".py")]:
            raise ValueError(f"{files[0]}: a recipe of your own goes with --data FOLDER; see docs/own-model.md")
        return [on_data_at_hand(recipe) for recipe in select(options.names)]
    files = [name for name in options.names if name.endswith(".py")]
    named = [name for name in options.names if not name.endswith(".py")]
    return adapted([*map(from_file, files), *(select(named) if named else [])], options, console)


def _tasks(options: argparse.Namespace, console: Console) -> list[Task]:
    from training.loop import Task

    seeds = range(options.seeds) if options.seeds else [options.seed or 0]
    recipes = _recipes(options, console)
    if options.protocol == "report" and len(recipes) > 1:
        recipes = [recipe for recipe in recipes if recipe.report]  # ours have none, and `all` should not stumble
    for recipe in recipes:
        recipe.protocol(options.protocol)
    # All recipes get their first seed before any gets its second: a run that is cut short has a whole table.
    return [Task(recipe, seed, options.protocol) for seed in seeds for recipe in recipes]


def _train(options: argparse.Namespace, console: Console) -> int:
    """Train what is not complete; torch comes in here and not before."""
    from training.campaign import Campaign
    from training.plan import How

    how = How(engine=options.engine, device=options.device, threads=options.threads, jobs=options.jobs,
              probe=options.probe, seconds=60 * options.max_minutes)
    outcome = Campaign(_tasks(options, console), how, console).run()
    if outcome.left:
        runs = f"{outcome.left} run{'s' * (outcome.left > 1)}"
        console.print(f"out of time with {runs} to finish; the same command goes on from here")
        return EXIT_OUT_OF_TIME
    return EXIT_USAGE if outcome.failures else 0


def _derive(console: Console) -> int:
    """Write the result files again."""
    from training.results import files

    for path in (changed := files.write_all(files.FOLDER)):
        console.print(f"{path}", highlight=False)
    for path in files.stale(files.FOLDER):
        console.print(f"{path} is of an older version of its recipe: delete it or train again", style="yellow")
    if not changed:
        console.print("nothing has changed: the files hold what the finished runs gave")
    return 0


def _probe(names: list[str], console: Console) -> int:
    """Measure steps, keep them, and say what they come to."""
    from training.results import files, probing
    from training.results.durations import spoken

    if not names:
        raise ValueError("probe which recipes? python -m training probe NAME…")
    measured = []
    for recipe in map(on_data_at_hand, select(names)):
        measured.append(found := probing.measure(recipe))
        console.print(f"{recipe.name}: {found['step_cpu_ms']:.0f} ms of CPU for a step of {found['images_per_step']} "
                      f"images, {found['execution']}; {found['steps']:,} steps take about "
                      f"{spoken(found['seconds'])} of one core", highlight=False)
    console.print(f"{probing.keep(files.FOLDER, measured)}; python -m training results puts them into the table",
                  highlight=False)
    return 0


def _complain(error: Exception) -> None:
    Console(stderr=True, soft_wrap=True).print(str(error), style="red", highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
