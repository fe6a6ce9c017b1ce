"""Measures two sides in turn: A B, B A, A B, …, so that a machine that drifts favours neither.

Both loads of a pair have the same schedule and the same images in the same order, and every pair has servers of its
own, because two starts of one program differ too. Each load is stored when it is done; what lies there is not sent
again. Where A is a stored baseline, its rows are copied in and only B is measured.

    contest.json            sides, rate, machine; written first
    pair-<n>/<a|b>.npz      raw rows, with <a|b>.json beside them
    comparison.json, .md    derived
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparison.run import RunError, go_on, stored_facts
from benchmarks.comparison.steps import Screen
from benchmarks.contest.sides import Side, check_form, standing
from benchmarks.load.generator import send
from benchmarks.load.payloads import read_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.schedule import rounded
from benchmarks.load.stored import Load, find_load, read_load
from benchmarks.machine.cores import Cores
from benchmarks.machine.reference import reference_us
from benchmarks.machine.server import taste
from service.card import write_atomically

TASTERS = 30
LONGEST_WARMUP = 5    # times as long as asked, until the answers are steady; as in a comparison
DEFAULT_SHARE = 0.3   # of one over A's unloaded answer time: busy enough to see queues, calm enough to see work


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What both sides agreed to."""

    a: str
    b: str                        # empty while a baseline is measured
    comparisons: int = 1          # made at once, which share one risk of a false alarm
    pairs: int = 5
    seconds: float = 10.0
    warmup: float = 1.0
    rate: float | None = None     # requests per second; None: DEFAULT_SHARE of what A bears alone
    margin: float = 0.05
    seed: int = 0
    root: str = "models"
    body: str = "png"


class Contest:
    """The folder of one contest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = stored_facts(folder / "contest.json", "contest")
        self.terms = Terms(**self.facts["terms"])

    @property
    def complete(self) -> bool:
        """Whether every run of every side is there."""
        sides = ("a", "b") if self.terms.b else ("a",)
        return all((self.place(pair) / f"{side}.json").exists() for pair in range(self.terms.pairs) for side in sides)

    def place(self, pair: int) -> Path:
        """Where a pair (from 0) lies."""
        return self.folder / f"pair-{pair + 1}"

    def loads(self) -> list[tuple[Load, Load]]:
        """The complete pairs."""
        places = [self.place(pair) for pair in range(self.terms.pairs)]
        return [(read_load(place, "a"), read_load(place, "b")) for place in places
                if (place / "a.json").exists() and (place / "b.json").exists()]

    def note(self, **facts: Any) -> None:
        """Add facts to contest.json."""
        self.facts |= facts
        write_atomically(self.folder / "contest.json", json.dumps(self.facts, indent=2).encode() + b"\n")


def open_contest(folder: Path, terms: Terms, **facts: Any) -> Contest:
    """A new contest in `folder`, or the one that is there if its terms, its machine and its models are the same."""
    wanted = json.loads(json.dumps({"schema_version": 1, "terms": asdict(terms), **facts}))
    if (folder / "contest.json").exists():
        known = Contest(folder)
        if known.facts["terms"] != wanted["terms"]:
            raise RunError(f"{folder} was begun on other terms; give the same to continue it, or another --output")
        if known.facts.get("models") != wanted.get("models"):
            raise RunError(f"{folder} was begun with other versions or files of these models; choose another --output")
        go_on(known, wanted["machine"], complete=len(known.loads()) == terms.pairs)
        return known
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no contest; choose another --output")
    write_atomically(folder / "contest.json", json.dumps(wanted, indent=2).encode() + b"\n")
    return Contest(folder)


def fight(contest: Contest, sides: dict[str, Side], payloads: Path, cores: Cores, screen: Screen) -> None:
    """Measure the runs that are missing of `sides`, by their names in the folder: a and b, or one of them."""
    terms, bodies = contest.terms, read_payloads(payloads)
    for pair in range(terms.pairs):
        place = contest.place(pair)
        place.mkdir(exist_ok=True)
        if all((place / f"{name}.json").exists() for name in sides):
            continue
        screen.step(f"pair {pair + 1} of {terms.pairs}: servers start", 8)
        contest.note(reference_us=[*contest.facts.get("reference_us", []), reference_us(cores.server)])
        with ExitStack() as stack:
            servers = {name: stack.enter_context(standing(side, root=Path(terms.root), log=place / f"{name}.log",
                                                          cores=cores.server)) for name, side in sides.items()}
            took = {name: taste(servers[name], side.path, content=bodies.bodies[0], content_type=bodies.content_type,
                                times=TASTERS) for name, side in sides.items()}
            for name, side in sides.items():
                if side.url:
                    check_form(side, servers[name], content=bodies.bodies[0], content_type=bodies.content_type)
            if "rate" not in contest.facts:
                contest.note(rate=terms.rate or rounded(DEFAULT_SHARE / took["a"]))
            for name in sorted(sides, reverse=bool(pair % 2)):
                side = sides[name]
                plan = Plan(name=name, model=side.model, path=side.path, arrival="poisson",
                            rate=contest.facts["rate"], seconds=terms.seconds, warmup=terms.warmup,
                            warmup_most=LONGEST_WARMUP * terms.warmup, seed=terms.seed + pair)
                if find_load(place, plan) is None:
                    shown = screen.step(f"pair {pair + 1} of {terms.pairs}: {side.text}", plan.warmup + plan.seconds)
                    send(plan, servers[name], payloads=payloads, folder=place, cores=cores.generator, progress=shown)
