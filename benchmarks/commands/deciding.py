"""`weigh`: which configuration to deploy for an objective, a rate and an accuracy."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import (
    add_common,
    add_dispersion,
    checked,
    chosen_models,
    command,
    count,
    measured,
    new_folder,
    positive,
    share,
    slo,
)
from benchmarks.comparison.contenders import Contender, NothingToWeighError, check_same_question
from benchmarks.decision.configurations import left_out, matrix
from benchmarks.decision.estimate import estimated, minutes
from benchmarks.decision.folder import open_folder
from benchmarks.decision.measure import measure_all
from benchmarks.decision.publish import finish, publish
from benchmarks.decision.refinement import Axes, cores_beside_the_generator, every_axis, refined
from benchmarks.decision.wish import MOST_PASSES, OBJECTIVES, USUAL, Wish, read_policy
from benchmarks.machine.cores import share_out
from benchmarks.machine.energy import unknown_energy
from benchmarks.machine.fingerprint import fingerprint
from service.runtimes import RUNTIMES


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("weigh", help="which configuration to deploy for an objective, a rate and an accuracy",
                              epilog="exit code: 0 something fits, 1 nothing does or not everything was measured, "
                                     "2 the command was wrong, 4 INVALID, 130 interrupted")
    add.add_argument("--slo", required=True, type=slo, help="p99=20ms: response time from the intended start")
    add.add_argument("--min-accuracy", required=True, type=share, metavar="SHARE", help="0.90; by the card")
    add.add_argument("--rate", required=True, type=positive, help="requests per second that you expect")
    add.add_argument("--objective", choices=OBJECTIVES, default="cost",
                     help="cost: fewest cores that bear the rate (default); efficiency: fewest core-seconds per "
                          "prediction, where cores are many or shared; energy: fewest joules at the expected rate; "
                          "headroom: highest capacity; accuracy: the most accurate that bears the rate")
    add.add_argument("--price-per-hour", type=positive, metavar="P", help="of one core; shows money per million")
    add.add_argument("--gpu-price-per-hour", type=positive, metavar="P", help="of one GPU; without it what runs on one "
                     "wins by cost only where nothing else fits")
    add_common(add)
    matrix = add.add_argument_group("the matrix", "the default is short: what an axis leaves out is told in the report")
    matrix.add_argument("--full", action="store_true", help="every axis at once: all threads and workers that there "
                        "are cores for, batching off, usual and waiting")
    matrix.add_argument("--refine", nargs="?", type=count, const=1, default=0, metavar="N", help="every axis for the N "
                        "best after the first pass (1 if no number is given), in place of --full, which takes hours")
    matrix.add_argument("--runtimes", nargs="+", choices=RUNTIMES, default=[], help="default: all that work here")
    matrix.add_argument("--devices", nargs="+", choices=("cpu", "cuda"), default=[], help="default: cpu, and cuda "
                        "where there is a GPU")
    matrix.add_argument("--threads", nargs="+", type=count, metavar="N", help="of the runtime (default: 1)")
    matrix.add_argument("--workers", nargs="+", type=count, metavar="N", help="server processes (default: 1)")
    matrix.add_argument("--batching", nargs="+", type=_policy, metavar="N[:MS]", help="most images of several requests "
                        f"in one call, and how long to wait for them; 1: none (default: {USUAL}, as the service does)")
    matrix.add_argument("--pareto", action="store_true", help="load-test also what is too inaccurate, to see the whole "
                        "trade-off")
    matrix.add_argument("--all", action="store_true", help="load-test everything, also what is dominated")
    add_dispersion(add)
    add.add_argument("--passes", type=int, choices=range(1, MOST_PASSES + 1), metavar="N", help="times through all "
                     "configurations, every other one in reverse, each on a fresh server (default: 2; --quick: 1)")
    add.add_argument("--quick", action="store_true", help="shorter probes, coarser brackets: marked as screening")
    add.add_argument("--publish", action="store_true", help="copy a valid result to benchmarks/results/, for the docs")
    add.set_defaults(do=decide, refuse=add.error)


def decide(options: argparse.Namespace, console: Console) -> int:
    """Find what to deploy; 0 when something fits, 1 when nothing does or not everything could be measured, 4 when the
    measurement is invalid."""
    if options.quick and options.publish:
        options.refuse("--publish keeps no screening: leave --quick out")
    if options.publish and options.dispersion != 1:
        options.refuse("--publish keeps decisions for Poisson arrivals, which the docs compare: leave --dispersion out")
    try:
        wish = _wish(options)
    except ValueError as error:  # options that are right by themselves, and not together
        options.refuse(str(error))
    if wish.objective == "energy" and (why := unknown_energy()):
        raise NothingToWeighError(f"--objective energy: {why}; choose another one, or a machine that tells its "
                                  "energy")
    if options.full and wish.refine:
        options.refuse("--full tries every axis of every model already: leave --refine out")
    machine = fingerprint()
    contenders = chosen_models(options, console)
    _same_question(contenders)
    most = max(threads * workers for threads in wish.threads for workers in wish.workers)
    configurations = matrix(contenders, wish, max(1, len(share_out(most).server)))
    folder = open_folder(
        new_folder(options, "weigh-"), wish, configurations, contenders, machine=machine, cores=str(share_out(most)),
        created=machine["at"], command=command(), left_out=left_out(contenders, wish),
    )
    tried = sum(why is None for why in configurations.values())
    more = wish.refine * len(refined(next(iter(configurations)), wish, cores_beside_the_generator()))
    console.print(f"[bold]{tried} configurations[/]{f' and up to {more} refined' if more else ''}, "
                  f"{minutes(estimated(tried + more, wish))} at most · "
                  f"{wish.limit.among(wish.dispersion)} · "
                  f"{folder.facts['cores']} · {folder.folder}")
    for sentence in folder.facts["left_out"]:
        console.print(f"[dim]left out: {sentence}[/]", soft_wrap=True)
    folder.note(finished=None)  # until it is again
    problems = measured(lambda screen: measure_all(folder, contenders, screen), folder=folder.folder, machine=machine,
                        console=console, finish=lambda: finish(folder, console))
    folder.note(finished=fingerprint()["at"])
    result = finish(folder, console)
    if options.publish:
        console.print(f"published: {publish(result)}; now run make readme", soft_wrap=True)
    return exit_code(result, problems)


def exit_code(result: dict[str, Any], problems: Collection[str]) -> int:
    """What a script may rely on."""
    if problems:
        return 1
    if not result["validity"]["valid"]:
        return 4
    return 0 if result["decision"]["recommended"] else 1


def _same_question(contenders: list[Contender]) -> None:
    check_same_question(((one.card.name, one.card.classes) for one in contenders),
                        "Choose those of one with --models")


def _wish(options: argparse.Namespace) -> Wish:
    axes = every_axis() if options.full else Axes((1,), (1,), (USUAL,))
    return Wish(
        slo=options.slo, min_accuracy=options.min_accuracy, rate=options.rate, objective=options.objective,
        price_per_hour=options.price_per_hour, gpu_price_per_hour=options.gpu_price_per_hour,
        models=tuple(options.models), runtimes=tuple(options.runtimes),
        threads=tuple(options.threads or axes.threads), workers=tuple(options.workers or axes.workers),
        devices=tuple(options.devices), batching=tuple(options.batching or axes.batching), refine=options.refine,
        passes=options.passes or (1 if options.quick else 2), root=str(options.root), body=options.body,
        seed=options.seed, pareto=options.pareto, everything=options.all, screening=options.quick,
        dispersion=options.dispersion,
    )


def _policy(text: str) -> str:
    return checked(text, read_policy)
