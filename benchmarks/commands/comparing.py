"""`compare`: is B slower, less accurate or less reliable than A? With an exit code that a merge may depend on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.commands.shared import add_common, command, measured, new_folder, positive
from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import Contender, check_same_question, find_contenders, with_images
from benchmarks.comparison.run import RunError
from benchmarks.contest.baseline import (
    BASELINES,
    POLICIES,
    PREFIX,
    baseline_folder,
    copy_rows,
    facts_of,
    find_baseline,
    terms_of,
)
from benchmarks.contest.duel import Contest, Terms, fight, open_contest
from benchmarks.contest.publish import finish
from benchmarks.contest.sides import Side, parse_side
from benchmarks.contest.words import summary, together
from benchmarks.machine.cores import Cores, share_out
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.stats.ratio import LEAST_PAIRS

SIDE = "MODEL[:RUNTIME][:tN], or http://host:port of a server"


def add_to(commands: Any) -> None:
    """Its options."""
    add = commands.add_parser("compare", help="is B slower, less accurate or less reliable than A? for CI",
                              epilog="exit code: 0 no B is worse, 3 one is, 4 inconclusive, 1 could not be measured, "
                                     "2 the command was wrong, 130 interrupted")
    add.add_argument("a", metavar="A", help=f"{SIDE}, or {PREFIX}NAME")
    add.add_argument("b", metavar="B", nargs="*", help=f"{SIDE}; of several, each is compared with A")
    add.add_argument("--pairs", type=_pairs, default=5, help="of runs, in turns A B, B A, ... (default: 5; "
                     "with a baseline its own count, time and rate)")
    add.add_argument("--seconds", type=positive, default=10.0, help="measured time of each run (default: 10)")
    add.add_argument("--rate", type=positive, help="requests per second; default: 30 %% of what A bears alone")
    add.add_argument("--margin", type=positive, default=0.05, help="a difference that matters (default: 0.05)")
    add_common(add, models=False)
    add.add_argument("--save-baseline", metavar="NAME", help="measure A alone and keep it as baseline:NAME")
    add.add_argument("--baselines", type=Path, default=BASELINES, metavar="FOLDER", help="where baselines are kept "
                     "(default: benchmarks/baselines)")
    add.add_argument("--fingerprint", choices=POLICIES, default="refuse", help="where a baseline is from another "
                     "machine, system or library: refuse it (default), warn beside the verdict, or ignore it")
    add.add_argument("--inconclusive-passes", action="store_true", help="exit with 0 where nobody knows")
    add.set_defaults(do=compare)


def compare(options: argparse.Namespace, console: Console) -> int:
    """Compare every B with A, or keep A; 0: no B is worse, 3: one is, 4: nobody knows."""
    if options.save_baseline is not None:
        return _save(options, console)
    if not options.b:
        raise RunError("name a B to compare A with, or keep A with --save-baseline NAME")
    if kept := [text for text in options.b if text.startswith(PREFIX)]:
        raise RunError(f"{kept[0]}: only A can be a baseline; give it first")
    output, results = new_folder(options, "compare-"), []
    for number, text in enumerate(options.b, 1):
        name = f"{number}-" + re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
        folder = output if len(options.b) == 1 else output / name
        results.append(_one(options, text, folder, console, whole=output))
    told = summary(results)
    (output / "comparison.md").write_text(told, encoding="utf-8")
    console.print(Markdown(told))
    console.print(f"also in [bold]{output}/comparison.md[/]", soft_wrap=True)
    return together(results, inconclusive_passes=options.inconclusive_passes)


def _one(options: argparse.Namespace, text: str, folder: Path, console: Console, *, whole: Path) -> dict[str, Any]:
    machine, b, count = fingerprint(), parse_side(text, options.root), len(options.b)
    if not options.a.startswith(PREFIX):
        a = parse_side(options.a, options.root)
        check_same_question(((side.text, side.classes) for side in (a, b) if side.classes),
                            "Compare models of the same classes")
        terms = _terms(options, b=text, comparisons=count)
        contest, run = _open(folder, terms, {"a": a, "b": b}, machine, console, whole=whole)
        run()
        return finish(contest)
    baseline = find_baseline(options.a.removeprefix(PREFIX), options.baselines)
    terms = terms_of(baseline, b=text, margin=options.margin, comparisons=count)
    facts = facts_of(baseline, machine, options.fingerprint)
    contest, run = _open(folder, terms, {"b": b}, machine, console, whole=whole, baseline=facts)
    copy_rows(baseline, contest)
    run()
    return finish(contest)


def _save(options: argparse.Namespace, console: Console) -> int:
    if options.b or options.a.startswith(PREFIX):
        raise RunError("--save-baseline keeps one side: give A alone, a model or a server")
    folder, a = baseline_folder(options.save_baseline, options.baselines), parse_side(options.a, options.root)
    if (folder / "contest.json").exists() and Contest(folder).complete:
        raise RunError(f"there is a baseline {folder.name!r} already; delete {folder}, or choose another name")
    contest, run = _open(folder, _terms(options, b="", comparisons=1), {"a": a}, fingerprint(), console, whole=folder)
    run()
    console.print(f"kept: [bold]{PREFIX}{folder.name}[/], {contest.terms.pairs} runs at {contest.facts['rate']:g}/s",
                  soft_wrap=True)
    return 0


def _open(
    folder: Path, terms: Terms, sides: dict[str, Side], machine: dict[str, Any], console: Console, *, whole: Path,
    **facts: Any
) -> tuple[Contest, Callable[[], None]]:
    """The folder with the bodies in it, and what measures these sides in it. `whole` continues all that was asked."""
    cores = _cores(sides)
    models = {name: {"model": side.model, "sha256": side.sha256} for name, side in sides.items()}
    contest = open_contest(folder, terms, machine=machine, cores=str(cores), created=machine["at"], command=command(),
                           models=models, **facts)
    payloads = store_bodies(contest, _images(sides, Path(terms.root)), terms)

    def run() -> None:
        measured(lambda screen: fight(contest, sides, payloads, cores, screen), folder=whole, machine=machine,
                 console=console)

    return contest, run


def _terms(options: argparse.Namespace, *, b: str, comparisons: int) -> Terms:
    return Terms(a=options.a, b=b, pairs=options.pairs, seconds=options.seconds, rate=options.rate,
                 margin=options.margin, seed=options.seed, root=str(options.root), body=options.body,
                 comparisons=comparisons)


def _cores(sides: dict[str, Side]) -> Cores:
    """Cores for the largest side and for the generator; RunError where there are too few, as `weigh` refuses it too."""
    wanted, text = max((side.configuration.cores if side.configuration else 1, side.text) for side in sides.values())
    cores = share_out(wanted)
    if cores.server and wanted > len(cores.server):
        raise RunError(f"{text}: can keep {wanted} cores busy, and {len(cores.server)} of this machine is left beside "
                       "the generator, so it would be slowed by what it was given to be quick; compare with fewer "
                       "threads or workers, or on a machine with more cores")
    return cores


def _images(sides: dict[str, Side], root: Path) -> Contender:
    """The model whose labelled images are sent: that of the first side that names one."""
    named = next((side.configuration.model for side in sides.values() if side.configuration), None)
    contenders = find_contenders(root)
    if (held := next((contender for contender in contenders if contender.id == named), None)) is not None:
        return held
    return with_images(root, contenders, lambda _: None)[0]


def _pairs(text: str) -> int:
    if int(text) < LEAST_PAIRS:
        raise argparse.ArgumentTypeError(f"{text} pairs say nothing about the next one; {LEAST_PAIRS} are the minimum")
    return int(text)
