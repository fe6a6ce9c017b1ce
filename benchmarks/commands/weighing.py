"""`run`: every model side by side at shares of its own throughput, with a report."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import add_common, chosen_models, command, count, measured, new_folder, positive, rates
from benchmarks.comparison.contenders import check_format
from benchmarks.comparison.publish import finish, publish
from benchmarks.comparison.run import open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.machine.cores import share_out
from benchmarks.machine.fingerprint import fingerprint
from service.runtimes import RUNTIMES


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("run", help="weigh all models side by side (the default)")
    add_common(add)
    add.add_argument("--seconds", type=positive, help="measured time of each load (default: 15)")
    add.add_argument("--rates", type=rates, default=(), metavar="R,R", help="requests per second, the same for all; "
                     "default: 50 %% and 80 %% of each model's own closed-loop throughput")
    add.add_argument("--runtime", choices=RUNTIMES, default="onnxruntime")
    add.add_argument("--threads", type=count, default=1, help="of the runtime, and cores of the server (default: 1)")
    add.add_argument("--quick", action="store_true", help="three seconds per load; screening, not for publishing")
    add.add_argument("--no-micro", action="store_true", help="leave the micro-benchmarks out")
    add.add_argument("--publish", action="store_true", help="copy the summary to benchmarks/results/")
    add.set_defaults(do=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Weigh, then derive and report."""
    contenders = chosen_models(options, console)
    check_format(contenders, options.runtime)
    cores, machine = share_out(options.threads), fingerprint()
    run = open_run(new_folder(options), _settings(options), contenders, machine=machine, cores=str(cores),
                   created=machine["at"], command=command())
    console.print(f"[bold]{len(contenders)} models[/] · {cores} · {run.folder}")
    problems = measured(lambda screen: weigh(run, contenders, cores, screen), folder=run.folder, machine=machine,
                        console=console, finish=lambda: finish(run, console))
    if not problems:
        run.note(finished=fingerprint()["at"])
    result = finish(run, console)
    for problem in problems:
        console.print(f"[bold red]not measured:[/] {problem}", soft_wrap=True)
    if options.publish and problems:
        console.print("[bold red]not published:[/] it is not complete; run the same command again", soft_wrap=True)
    elif options.publish:
        console.print(f"published: {publish(result)}")
    return 1 if problems else 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        models=tuple(options.models), root=str(options.root),
        seconds=options.seconds or (3.0 if options.quick else 15.0),
        rates=tuple(options.rates), seed=options.seed, body=options.body, runtime=options.runtime,
        threads=options.threads, micro_seconds=0 if options.no_micro else 0.1 if options.quick else 0.5,
        screening=options.quick,
    )
