"""`crosscheck`: does LoadGen, driving the same server at the same rate, find the same latencies as our engine?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import add_common, command, measured, new_folder, positive
from benchmarks.comparison.contenders import Contender, NothingToWeighError, check_files, check_format, find_contenders
from benchmarks.comparison.publish import print_validity
from benchmarks.crosscheck.loadgen import interpreter
from benchmarks.crosscheck.result import derive, publish, sentences, write
from benchmarks.crosscheck.turns import Crosscheck, Rounds, Terms, open_crosscheck, take_turns
from benchmarks.machine.cores import Cores, share_out
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import serving
from benchmarks.report.numbers import listed
from benchmarks.report.screen import LiveScreen
from benchmarks.stats.ratio import LEAST_PAIRS
from service.runtimes import RUNTIMES

EXIT_INVALID = 4
EXIT_CODES = {"agree": 0, "differ": 3, "undecided": 5}


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("crosscheck", help="do our engine and MLPerf's LoadGen find the same latencies?",
                              epilog="exit code: 0 they agree, 3 they differ, 4 invalid, 5 undecided, 1 could not be "
                                     "measured, 2 the command was wrong")
    add.add_argument("model", metavar="MODEL", help="name of one model")
    add.add_argument("--rate", type=positive, help="requests per second; default: 30 %% of what the server bears alone")
    add.add_argument("--seconds", type=positive, default=20.0, help="of each Poisson load (default: 20)")
    add.add_argument("--rounds", type=_rounds, default=5, help="each engine once, in turns (default: 5)")
    add.add_argument("--runtime", choices=RUNTIMES, default="onnxruntime")
    add_common(add, models=False)
    add.add_argument("--publish", action="store_true", help="copy the result to benchmarks/results/crosscheck/")
    add.set_defaults(do=crosscheck)


def crosscheck(options: argparse.Namespace, console: Console) -> int:
    """Let both engines measure; 0: they agree, 3: they differ, 4: the loads are invalid, 5: nobody knows."""
    python = interpreter()
    contender = _contender(options.root, options.model, options.runtime)
    cores, machine = share_out(), fingerprint()
    terms = Terms(model=contender.id, runtime=options.runtime, rate=options.rate, seconds=options.seconds,
                  rounds=options.rounds, seed=options.seed, body=options.body, root=str(options.root))
    check = open_crosscheck(new_folder(options, "crosscheck-"), terms, machine=machine, cores=str(cores),
                            created=machine["at"], command=command(),
                            files={file.format: file.sha256 for file in contender.card.files})
    rounds = measured(lambda screen: _measure(check, contender, cores, python, screen), folder=check.folder,
                      machine=machine, console=console)
    result = derive(check, rounds)
    write(check, result)
    for sentence in sentences(result):
        console.print(sentence, soft_wrap=True)
    print_validity(result["validity"], console)
    console.print(f"result: [bold]{check.folder}/result.json[/]", soft_wrap=True)
    if options.publish:
        console.print(f"published: {publish(result)}", soft_wrap=True)
    return EXIT_CODES[result["verdict"]] if result["validity"]["valid"] else EXIT_INVALID


def _contender(root: Path, name: str, runtime: str) -> Contender:
    """The one model of that name, whole and exported for the runtime."""
    contender, *more = find_contenders(root, [name])
    if more:
        raise NothingToWeighError(f"{name} matches {listed([one.card.name for one in (contender, *more)])}; name one")
    check_files([contender])
    check_format([contender], runtime)
    return contender


def _measure(check: Crosscheck, contender: Contender, cores: Cores, python: str, screen: LiveScreen) -> Rounds:
    screen.step(f"{contender.card.name}: server starts", 5)
    with serving(root=Path(check.terms.root), log=check.folder / "server.log", runtime=check.terms.runtime,
                 cores=cores.server) as server:
        return take_turns(check, contender, server, cores, python, screen)


def _rounds(text: str) -> int:
    if int(text) < LEAST_PAIRS:
        raise argparse.ArgumentTypeError(f"{text} rounds say nothing about the next one; {LEAST_PAIRS} are the minimum")
    return int(text)
