"""Sends both engines' loads to one server, in turns: ours LoadGen, LoadGen ours, …, so that drift favours neither.

    crosscheck.json         terms, machine, rate; written first
    server-<n>.npz, .json   ours: Poisson arrivals at the rate           server-<n>.loadgen.json   LoadGen's
    single-<n>.npz, .json   ours: one request at a time                  single-<n>.loadgen.json   LoadGen's
    result.json             derived

Every load is stored when it is done; what lies there is not sent again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.run import RunError, go_on, stored_facts
from benchmarks.comparison.steps import Screen
from benchmarks.crosscheck.loadgen import Found, Task, drive
from benchmarks.load.generator import send
from benchmarks.load.payloads import read_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.stored import Load, find_load
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import Reachable, taste
from service.card import write_atomically

SHARE = 0.3      # of one over the unloaded answer time: queues form, and none grows
TASTERS = 40
SINGLES = 1000   # requests, one at a time
SCENARIOS = ("server", "single")
RESULT_FILE = "result.json"  # written when all is measured
Rounds = dict[str, list[tuple[Load, Found]]]   # by scenario; of each round our load and LoadGen's


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is sent."""

    model: str
    runtime: str = "onnxruntime"
    rate: float | None = None    # requests per second; None: SHARE of what the server could at most
    seconds: float = 20.0        # of each Poisson load
    rounds: int = 5
    seed: int = 0
    body: str = "png"
    root: str = "models"

    @property
    def path(self) -> str:
        """Where requests go."""
        return f"/predict?model={self.model}&top_k=1&runtime={self.runtime}"

    def plan(self, scenario: str, number: int, rate: float) -> Plan:
        """Our load of a round."""
        name, seed = f"{scenario}-{number}", self.seed + number
        if scenario == "server":
            return Plan(name=name, model=self.model, path=self.path, arrival="poisson", rate=rate,
                        seconds=self.seconds, warmup=1.0, warmup_most=8.0, seed=seed)
        return Plan(name=name, model=self.model, path=self.path, arrival="closed", connections=1, seconds=0.1,
                    warmup=0.5, warmup_most=8.0, at_least=SINGLES, seed=seed)

    def task(self, scenario: str, number: int, rate: float) -> Task:
        """LoadGen's load of a round. Its seed differs: two schedules, one distribution."""
        served = scenario == "server"
        return Task(name=f"{scenario}-{number}", scenario=scenario, rate=rate if served else None, path=self.path,
                    requests=round(rate * self.seconds) if served else SINGLES, seed=1000 + self.seed + number)


class Crosscheck:
    """The folder of one cross-check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = stored_facts(folder / "crosscheck.json", "crosscheck")
        self.terms = Terms(**self.facts["terms"])

    def note(self, **facts: Any) -> None:
        """Add facts."""
        self.facts |= facts
        write_atomically(self.folder / "crosscheck.json", json.dumps(self.facts, indent=2).encode() + b"\n")


def open_crosscheck(folder: Path, terms: Terms, **facts: Any) -> Crosscheck:
    """A new one, or the one that lies there with the same terms; RunError where something else does."""
    if (folder / "crosscheck.json").exists():
        known = Crosscheck(folder)
        if known.terms != terms:
            raise RunError(f"{folder} was begun on other terms; give the same ones, or choose another --output")
        if known.facts.get("files") != facts.get("files"):
            raise RunError(f"{folder} was begun with other files of {terms.model}; choose another --output")
        go_on(known, facts["machine"], complete=(folder / RESULT_FILE).exists())
        return known
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no cross-check; choose another --output")
    content = {"schema_version": 1, "terms": asdict(terms), **facts}
    write_atomically(folder / "crosscheck.json", json.dumps(content, indent=2).encode() + b"\n")
    return Crosscheck(folder)


def take_turns(
    check: Crosscheck, contender: Contender, server: Reachable, cores: Cores, python: str, screen: Screen
) -> Rounds:
    """Every round of every scenario: our load and LoadGen's."""
    terms = check.terms
    payloads = store_bodies(check, contender, terms)
    bodies = read_payloads(payloads)
    tasted = taste(server, terms.path, content=bodies.bodies[0], content_type=bodies.content_type, times=TASTERS)
    if "rate" not in check.facts:
        check.note(rate=terms.rate or float(f"{SHARE / tasted:.3g}"))
    rate = float(check.facts["rate"])
    found: Rounds = {scenario: [] for scenario in SCENARIOS}
    for number in range(1, terms.rounds + 1):
        for scenario in SCENARIOS:
            plan, task = terms.plan(scenario, number, rate), terms.task(scenario, number, rate)
            title = f"{scenario}, round {number} of {terms.rounds}"

            def ours(plan: Plan = plan, title: str = title) -> Load:
                progress = screen.step(f"{title}: ours", plan.warmup + plan.seconds)
                return find_load(check.folder, plan) or send(
                    plan, server, payloads=payloads, folder=check.folder, cores=cores.generator, progress=progress)

            def theirs(task: Task = task, title: str = title) -> Found:
                screen.step(f"{title}: LoadGen", task.seconds)
                return drive(task, server.url, payloads, check.folder, cores.generator, python)

            if number % 2:
                mine, other = ours(), theirs()
            else:
                other, mine = theirs(), ours()
            found[scenario].append((mine, other))
    return found
