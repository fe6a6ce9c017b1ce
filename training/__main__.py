"""Train recipes by name.

    python -m training --list
    python -m training --show fm-fast
    python -m training fm000-linear fm-fast          one run each, seed 0
    python -m training 'fm004-*' --seeds 3           seeds 0, 1, 2 of every recipe the glob matches
    python -m training all --max-minutes 60          stops in time; the same command goes on

There are no flags for hyper-parameters: an ad-hoc run is a new recipe. Exit codes: 0 all runs complete, 2 the
question was wrong or data is missing or damaged, 3 out of time, 130 interrupted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time

from rich.console import Console

from training.catalogue import listing, on_data_at_hand, select, shown
from training.datasets import DATASETS, MissingDataset
from training.download import download
from training.execution import choose
from training.loop import Task, train
from training.progress import Live, clock, watcher_for
from training.protocol import PROTOCOLS
from training.runs import Run, RunError, open_run

EXIT_USAGE, EXIT_OUT_OF_TIME, EXIT_INTERRUPTED = 2, 3, 130


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        if options.list:
            wide = console if console.is_terminal else Console(width=200)  # nobody wraps what is piped
            wide.print(listing())
        elif options.show:
            print("\n".join(shown(recipe) for recipe in select([options.show])))
        elif options.download:
            console.print(f"{options.download} is in {download(options.download)}")
        elif options.names:
            return _train_all(_tasks(options), options, console)
        else:
            parser.print_help()
            return EXIT_USAGE
    except KeyboardInterrupt:
        console.print("interrupted; the last finished epoch is saved, the same command goes on from there")
        return EXIT_INTERRUPTED
    except (ValueError, MissingDataset, RunError) as error:
        _complain(error)
        return EXIT_USAGE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Train image classifiers by recipe.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipe names, globs, or all")
    parser.add_argument("--list", action="store_true", help="all recipes, with the reported figure and ours")
    parser.add_argument("--show", metavar="NAME", help="a recipe in full, as JSON")
    parser.add_argument("--download", choices=[*DATASETS], metavar="DATASET", help="fetch an original data set")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=_positive, metavar="N", help="seeds 0 to N-1")
    seeds.add_argument("--seed", type=int, metavar="K", help="only seed K; default 0")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="clean", help="clean: validation from train, the "
                        "test split scored once (default); report: as the recipe's report did")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=_positive, metavar="N", help="CPU threads; default: the usable cores")
    parser.add_argument("--max-minutes", type=float, default=math.inf, metavar="M",
                        help="stop cleanly before this; the same command resumes")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def _tasks(options: argparse.Namespace) -> list[Task]:
    seeds = range(options.seeds) if options.seeds else [options.seed or 0]
    recipes = [on_data_at_hand(recipe) for recipe in select(options.names)]
    if options.protocol == "report" and len(recipes) > 1:
        recipes = [recipe for recipe in recipes if recipe.report]  # ours have none, and `all` should not stumble
    for recipe in recipes:
        recipe.protocol(options.protocol)
    # All recipes get their first seed before any gets its second: a run that is cut short has a whole table.
    return [Task(recipe, seed, options.protocol) for seed in seeds for recipe in recipes]


def _train_all(tasks: list[Task], options: argparse.Namespace, console: Console) -> int:
    """Train what is not complete. What fails is told, once, and does not keep the others from being trained."""
    deadline = time.monotonic() + 60 * options.max_minutes
    watcher = watcher_for(console)
    told: set[str] = set()
    for number, task in enumerate(tasks):
        if (run := open_run(task.folder)) is not None:
            console.print(f"[bold]{task.recipe.name}[/] seed {task.seed} ({task.protocol}): complete, {_summary(run)}")
            continue
        if number and time.monotonic() > deadline:
            return _out_of_time(console, len(tasks) - number)
        try:
            execution = choose(task.recipe, device=options.device, threads=options.threads)
            finished = train(task, execution=execution, watcher=watcher, deadline=deadline)
        except (ValueError, MissingDataset) as error:
            if str(error) not in told:
                _complain(error)
            told.add(str(error))
            continue
        finally:
            if isinstance(watcher, Live):
                watcher.stop()
        if finished is None:
            return _out_of_time(console, len(tasks) - number)
        console.print(f"  {_summary(finished)}\n  {finished.folder}", highlight=False)
    return EXIT_USAGE if told else 0


def _complain(error: Exception) -> None:
    Console(stderr=True, soft_wrap=True).print(str(error), style="red", highlight=False, markup=False)


def _out_of_time(console: Console, left: int) -> int:
    console.print(f"out of time with {left} run{'s' * (left > 1)} to finish; the same command goes on from here")
    return EXIT_OUT_OF_TIME


def _summary(run: Run) -> str:
    validation, test = run.result["validation"], run.result["test"]
    parts = [f"validation {validation['accuracy']:.2%}"] if validation else []
    parts.append(f"test {test['accuracy']:.2%} of {test['count']:,}")
    return f"{', '.join(parts)}, {clock(run.result['wall_s'])}, {run.result['images_per_s']:,.0f} images/s"


if __name__ == "__main__":
    sys.exit(main())
