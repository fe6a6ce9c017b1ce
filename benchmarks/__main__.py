"""Weighs the models that the service serves.

    python -m benchmarks                     micro-benchmarks, load per model, table and HTML report
    python -m benchmarks weigh               which one to deploy: capacity within an objective, and the reasons
    python -m benchmarks compare A B         is B slower than A? interleaved runs, a verdict, an exit code
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
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.capacity.slo import Slo
from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import MODELS, NothingToWeighError, check_format, find_contenders
from benchmarks.comparison.demo import demo
from benchmarks.comparison.publish import finish, publish
from benchmarks.comparison.run import Run, RunError, open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.contest.duel import Terms, fight, open_contest
from benchmarks.contest.publish import finish as finish_contest
from benchmarks.contest.sides import parse_side
from benchmarks.contest.words import exit_code
from benchmarks.contest.words import markdown as contest_markdown
from benchmarks.decision.configurations import matrix
from benchmarks.decision.folder import DecisionFolder, open_folder
from benchmarks.decision.measure import measure_all
from benchmarks.decision.publish import finish as finish_decision
from benchmarks.decision.wish import OBJECTIVES, Wish
from benchmarks.load.generator import GeneratorError
from benchmarks.load.payloads import ENCODERS
from benchmarks.machine.children import ROOT, stop_all
from benchmarks.machine.cores import share_out
from benchmarks.machine.doctor import doctor
from benchmarks.machine.fingerprint import fingerprint, warnings
from benchmarks.machine.server import ServerError
from benchmarks.micro.child import MicroError
from benchmarks.report.screen import LiveScreen
from benchmarks.stats.ratio import LEAST_PAIRS
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
        console.print(f"interrupted; to continue: [bold]{_again(run.folder)}[/]", soft_wrap=True)
        return INTERRUPTED
    run.note(finished=fingerprint()["at"])
    result = finish(run, console)
    for problem in problems:
        console.print(f"[bold red]not measured:[/] {problem}", soft_wrap=True)
    if options.publish:
        console.print(f"published: {publish(result)}")
    return 1 if problems else 0


def decide(options: argparse.Namespace, console: Console) -> int:
    """Find what to deploy; 0 when something fits, 1 when nothing does or not everything could be measured."""
    wish = Wish(
        slo=options.slo, min_accuracy=options.min_accuracy, rate=options.rate, objective=options.objective,
        price_per_hour=options.price_per_hour, models=tuple(options.models), runtimes=tuple(options.runtimes),
        threads=tuple(options.threads), workers=tuple(options.workers), root=str(options.root), body=options.body,
        seed=options.seed, everything=options.all, screening=options.quick,
    )
    contenders, machine = find_contenders(Path(options.root), options.models), fingerprint()
    most = max(threads * workers for threads in wish.threads for workers in wish.workers)
    configurations = matrix(contenders, wish, max(1, len(share_out(most).server)))
    folder = open_folder(
        options.output or RUNS / time.strftime("weigh-%Y-%m-%dT%H-%M-%S"), wish, configurations, contenders,
        machine=machine, cores=str(share_out(most)), created=machine["at"], command=_command(),
    )
    tried = sum(why is None for why in configurations.values())
    console.print(f"[bold]{tried} configurations[/] · {wish.limit} · {folder.facts['cores']} · {folder.folder}")
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    try:
        with LiveScreen(console) as screen:
            problems = measure_all(folder, contenders, screen)
    except KeyboardInterrupt:
        finish_decision(folder, console)
        console.print(f"interrupted; to continue: [bold]{_again(folder.folder)}[/]", soft_wrap=True)
        return INTERRUPTED
    folder.note(finished=fingerprint()["at"])
    result = finish_decision(folder, console)
    return 0 if result["decision"]["recommended"] and not problems else 1


def contest(options: argparse.Namespace, console: Console) -> int:
    """Compare two sides; 0: B is no worse, 3: it is, 4: nobody knows."""
    a, b = (parse_side(text, options.root) for text in (options.a, options.b))
    terms = Terms(a=options.a, b=options.b, pairs=options.pairs, seconds=options.seconds, rate=options.rate,
                  margin=options.margin, seed=options.seed, root=str(options.root), body=options.body)
    machine = fingerprint()
    cores = share_out(max(side.configuration.cores if side.configuration else 1 for side in (a, b)))
    folder = open_contest(options.output or RUNS / time.strftime("compare-%Y-%m-%dT%H-%M-%S"), terms, machine=machine,
                          cores=str(cores), created=machine["at"], command=_command())
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    named = next((side.configuration.model for side in (a, b) if side.configuration), None)
    contenders = find_contenders(options.root)
    images = next((contender for contender in contenders if contender.id == named), contenders[0])
    try:
        with LiveScreen(console) as screen:
            fight(folder, a, b, store_bodies(folder, images, terms), cores, screen)
    except KeyboardInterrupt:
        console.print(f"interrupted; to continue: [bold]{_again(folder.folder)}[/]", soft_wrap=True)
        return INTERRUPTED
    result = finish_contest(folder)
    console.print(Markdown(contest_markdown(result)))
    console.print(f"also in [bold]{folder.folder}/comparison.md[/]", soft_wrap=True)
    return exit_code(result, inconclusive_passes=options.inconclusive_passes)


def report(options: argparse.Namespace, console: Console) -> int:
    """Derive everything again from raw rows."""
    if (options.run / "weigh.json").exists():
        finish_decision(DecisionFolder(options.run), console)
        return 0
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
    _add_weigh(commands)
    _add_compare(commands)
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


def _add_weigh(commands: Any) -> None:
    """Options of `weigh`."""
    add = commands.add_parser("weigh", help="which configuration to deploy for an objective, a rate and an accuracy")
    add.add_argument("--slo", required=True, type=_slo, help="p99=20ms: response time from the intended start")
    add.add_argument("--min-accuracy", required=True, type=_share, metavar="SHARE", help="0.90; by the card")
    add.add_argument("--rate", required=True, type=_positive, help="requests per second that you expect")
    add.add_argument("--objective", choices=OBJECTIVES, default="cost",
                     help="cost: fewest core-seconds per prediction (default); headroom: highest capacity")
    add.add_argument("--price-per-hour", type=_positive, metavar="P", help="of one core; shows money per million")
    add.add_argument("--models", nargs="+", default=["*"], metavar="GLOB", help="names of models; default: all")
    add.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=[], help="default: all that work here")
    add.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N", help="of the runtime (default: 1)")
    add.add_argument("--workers", nargs="+", type=int, default=[1], metavar="N", help="server processes (default: 1)")
    add.add_argument("--root", type=Path, default=MODELS, help="folder of models and splits (default: models)")
    add.add_argument("--body", choices=ENCODERS, default="png", help="how images travel (default: png)")
    add.add_argument("--seed", type=int, default=0, help="of arrival times, image order and order of configurations")
    add.add_argument("--output", type=Path, help="run folder; an unfinished one is continued")
    add.add_argument("--all", action="store_true", help="load-test also what is too inaccurate or dominated")
    add.add_argument("--quick", action="store_true", help="shorter probes, coarser brackets: marked as screening")
    add.set_defaults(do=decide)


def _add_compare(commands: Any) -> None:
    """Options of `compare`."""
    add = commands.add_parser("compare", help="is B slower, less accurate or less reliable than A? for CI",
                              epilog="exit code: 0 B is no worse, 3 it is, 4 inconclusive")
    for side in ("a", "b"):
        add.add_argument(side, metavar=side.upper(), help="MODEL[:RUNTIME][:tN], or http://host:port of a server")
    add.add_argument("--pairs", type=_pairs, default=5, help="of runs, in turns A B, B A, ... (default: 5)")
    add.add_argument("--seconds", type=_positive, default=10.0, help="measured time of each run (default: 10)")
    add.add_argument("--rate", type=_positive, help="requests per second; default: 30 %% of what A bears alone")
    add.add_argument("--margin", type=_positive, default=0.05, help="a difference that matters (default: 0.05)")
    add.add_argument("--root", type=Path, default=MODELS, help="folder of models and splits (default: models)")
    add.add_argument("--body", choices=ENCODERS, default="png", help="how images travel (default: png)")
    add.add_argument("--seed", type=int, default=0, help="of arrival times and image order")
    add.add_argument("--output", type=Path, help="run folder; an unfinished one is continued")
    add.add_argument("--inconclusive-passes", action="store_true", help="exit with 0 where nobody knows")
    add.set_defaults(do=contest)


def _pairs(text: str) -> int:
    if int(text) < LEAST_PAIRS:
        raise argparse.ArgumentTypeError(f"{text} pairs say nothing about the next one; {LEAST_PAIRS} are the minimum")
    return int(text)


def _slo(text: str) -> str:
    try:
        Slo.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _share(text: str) -> float:
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return float(text)


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


def _again(folder: Path) -> str:
    """The command that continues what lies in `folder`."""
    return _command() if "--output" in sys.argv else f"{_command()} --output {folder}"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
