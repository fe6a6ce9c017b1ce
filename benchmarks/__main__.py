"""Weighs the models that the service serves.

    python -m benchmarks                     micro-benchmarks, load per model, table and HTML report
    python -m benchmarks demo                the whole path once, quickly: predict, evaluate, weigh
    python -m benchmarks report RUN          make result and report again from a run's raw rows
    python -m benchmarks doctor              this machine as a place to measure
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from benchmarks.comparison.contenders import MODELS, NothingToWeighError, check_format, find_contenders
from benchmarks.comparison.demo import demo
from benchmarks.comparison.publish import finish, publish
from benchmarks.comparison.run import Run, RunError, open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.load.generator import GeneratorError
from benchmarks.load.payloads import ENCODERS
from benchmarks.machine.children import ROOT, stop_all
from benchmarks.machine.cores import share_out
from benchmarks.machine.doctor import doctor
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.machine.server import ServerError
from benchmarks.micro.child import MicroError
from benchmarks.report.screen import LiveScreen
from service.card import CardError
from service.runtimes import RUNTIMES
from service.splits import SplitError

RUNS = ROOT / "benchmarks" / "runs"
EXPECTED = (NothingToWeighError, RunError, ServerError, GeneratorError, MicroError, CardError, SplitError)
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; 0 when all went well, 1 with an explanation when not, 130 after Ctrl-C."""
    options = _parser().parse_args(_with_default(sys.argv[1:] if arguments is None else arguments))
    signal.signal(signal.SIGTERM, _interrupt)  # so that a killed run stops its children as Ctrl-C does
    console = Console(highlight=False)
    try:
        done: int = options.do(options, console)
    except EXPECTED as error:
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return INTERRUPTED
    finally:
        stop_all()
    return done


def run(options: argparse.Namespace, console: Console) -> int:
    """Weigh, then derive and report."""
    contenders = find_contenders(Path(options.root), options.models)
    check_format(contenders, options.runtime)
    cores, machine = share_out(options.threads), fingerprint()
    run = open_run(
        options.output or RUNS / time.strftime("%Y-%m-%dT%H-%M-%S"), _settings(options), contenders,
        machine=machine, cores=str(cores), created=machine["at"], command=_command(),
    )
    console.print(f"[bold]{len(contenders)} models[/] · {cores} · {run.folder}")
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    try:
        with LiveScreen(console) as screen:
            problems = weigh(run, contenders, cores, screen)
    except KeyboardInterrupt:
        finish(run, console)
        console.print(f"interrupted; to continue: [bold]{_command()} --output {run.folder}[/]", soft_wrap=True)
        return INTERRUPTED
    run.note(finished=fingerprint()["at"])
    result = finish(run, console)
    for problem in problems:
        console.print(f"[bold red]not measured:[/] {problem}", soft_wrap=True)
    if options.publish:
        console.print(f"published: {publish(result)}")
    return 1 if problems else 0


def report(options: argparse.Namespace, console: Console) -> int:
    """Derive everything again from raw rows."""
    result = finish(Run(options.run), console)
    if options.publish:
        console.print(f"published: {publish(result)}")
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        models=tuple(options.models), root=str(options.root),
        seconds=options.seconds or (3.0 if options.quick else 15.0),
        rates=tuple(options.rates), seed=options.seed, body=options.body, runtime=options.runtime,
        threads=options.threads, micro_seconds=0 if options.no_micro else 0.1 if options.quick else 0.5,
        screening=options.quick,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    one = commands.add_parser("run", help="weigh (the default)")
    one.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="names of models; default: all")
    one.add_argument("--root", type=Path, default=MODELS, help="folder of models and splits (default: models)")
    one.add_argument("--seconds", type=_positive, help="measured time of each load (default: 15)")
    one.add_argument("--rates", type=_rates, default=(), metavar="R,R", help="requests per second, the same for all; "
                     "default: 50 %% and 80 %% of each model's own capacity")
    one.add_argument("--seed", type=int, default=0, help="of arrival times and image order")
    one.add_argument("--body", choices=ENCODERS, default="png", help="how images travel (default: png)")
    one.add_argument("--runtime", choices=RUNTIMES, default="onnxruntime")
    one.add_argument("--threads", type=int, default=1, help="of the runtime, and cores of the server (default: 1)")
    one.add_argument("--output", type=Path, help="run folder; an unfinished one is continued")
    one.add_argument("--quick", action="store_true", help="three seconds per load; screening, not for publishing")
    one.add_argument("--no-micro", action="store_true", help="leave the micro-benchmarks out")
    one.add_argument("--publish", action="store_true", help="copy the summary to benchmarks/results/")
    one.set_defaults(do=run)
    two = commands.add_parser("demo", help="predict, evaluate, weigh: the whole path in three minutes")
    two.add_argument("--seconds", type=_positive, default=4.0, help="measured time of each load (default: 4)")
    two.add_argument("--root", type=Path, default=MODELS)
    two.set_defaults(do=lambda options, console: demo(options.root, options.seconds, RUNS, console, _command()))
    three = commands.add_parser("report", help="make result and report again from raw rows")
    three.add_argument("run", type=Path, help="a folder under benchmarks/runs")
    three.add_argument("--publish", action="store_true", help="copy the summary to benchmarks/results/")
    three.set_defaults(do=report)
    four = commands.add_parser("doctor", help="this machine as a place to measure")
    four.set_defaults(do=lambda _, console: doctor(console))
    return parser


def _with_default(arguments: list[str]) -> list[str]:
    """`run` is meant where no subcommand is named."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help")):
        return arguments
    return ["run", *arguments]


def _positive(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return float(text)


def _rates(text: str) -> tuple[float, ...]:
    return tuple(_positive(part) for part in text.split(","))


def _command() -> str:
    return f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
