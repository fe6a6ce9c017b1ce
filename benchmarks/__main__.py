"""Weighs the models that the service serves.

    python -m benchmarks                     micro-benchmarks, load per model, table and HTML report
    python -m benchmarks weigh               which one to deploy: capacity within an objective, and the reasons
    python -m benchmarks compare A B         is B slower than A? interleaved runs, a verdict, an exit code
    python -m benchmarks capacity URL        what does the server that runs there bear within an objective?
    python -m benchmarks crosscheck MODEL    do our engine and MLPerf's LoadGen find the same latencies?
    python -m benchmarks roofline            how far is each model from what this machine could do?
    python -m benchmarks devices             what is a GPU worth to each model, by batch size?
    python -m benchmarks demo                the whole path once, quickly: predict, evaluate, weigh
    python -m benchmarks report RUN          make result and report again from a run's raw rows
    python -m benchmarks doctor              this machine as a place to measure
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.commands import bearing, comparing, crosschecking, deciding, rooflining, timing, weighing
from benchmarks.commands.shared import RUNS, Interrupted, command, positive
from benchmarks.comparison.contenders import MODELS, NothingToWeighError
from benchmarks.comparison.demo import demo
from benchmarks.comparison.publish import finish, publish
from benchmarks.comparison.run import Run, RunError
from benchmarks.crosscheck.loadgen import LoadGenError
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.publish import finish as finish_decision
from benchmarks.decision.publish import publish as publish_decision
from benchmarks.elsewhere.folder import ASKED, CapacityFolder
from benchmarks.elsewhere.publish import finish as finish_capacity
from benchmarks.load.generator import GeneratorError
from benchmarks.machine.children import INTERRUPTED, leaving_nothing
from benchmarks.machine.doctor import WATCH_S, doctor
from benchmarks.machine.server import ServerError
from benchmarks.micro.child import MicroError
from service.card import CardError
from service.splits import SplitError

EXPECTED = (NothingToWeighError, RunError, ServerError, GeneratorError, LoadGenError, MicroError, CardError, SplitError)


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; 0 when all went well, 1 with an explanation when not, 130 after Ctrl-C."""
    options = _parser().parse_args(_with_default(sys.argv[1:] if arguments is None else arguments))
    console = Console(highlight=False)
    try:
        done: int = options.do(options, console)
    except EXPECTED as error:
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {where}{error.strerror}", soft_wrap=True)
        return 1
    except Interrupted as interrupted:
        console.print(f"interrupted; {interrupted}", soft_wrap=True)
        return INTERRUPTED
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return INTERRUPTED
    return done


def report(options: argparse.Namespace, console: Console) -> int:
    """Derive everything again from raw rows."""
    if (options.run / "weigh.json").exists():
        decided = finish_decision(DecisionFolder(options.run), console)
        if options.publish:
            console.print(f"published: {publish_decision(decided)}; now run make readme", soft_wrap=True)
        return 0
    if (options.run / ASKED).exists():
        finish_capacity(CapacityFolder(options.run), console)
        if options.publish:
            raise RunError("a capacity is of somebody's server, and is not published here; leave --publish out")
        return 0
    result = finish(Run(options.run), console)
    if options.publish:
        console.print(f"published: {publish(result)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    weighing.add_to(commands)
    deciding.add_to(commands)
    comparing.add_to(commands)
    bearing.add_to(commands)
    crosschecking.add_to(commands)
    rooflining.add_to(commands)
    timing.add_to(commands)
    two = commands.add_parser("demo", help="predict, evaluate, weigh: the whole path in three minutes")
    two.add_argument("--seconds", type=positive, default=4.0, help="measured time of each load (default: 4)")
    two.add_argument("--root", type=Path, default=MODELS)
    two.set_defaults(do=lambda options, console: demo(options.root, options.seconds, RUNS, console, command()))
    three = commands.add_parser("report", help="make result and report again from raw rows")
    three.add_argument("run", type=Path, help="a folder under benchmarks/runs")
    three.add_argument("--publish", action="store_true", help="copy the summary to benchmarks/results/")
    three.set_defaults(do=report)
    four = commands.add_parser("doctor", help="this machine as a place to measure")
    four.add_argument("--seconds", type=positive, default=WATCH_S,
                      help=f"for how long each core is watched (default: {WATCH_S:g})")
    four.set_defaults(do=lambda options, console: doctor(console, options.seconds))
    return parser


def _with_default(arguments: list[str]) -> list[str]:
    """`run` is meant where no subcommand is named."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help")):
        return arguments
    return ["run", *arguments]


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))  # a killed run stops its children as Ctrl-C does
