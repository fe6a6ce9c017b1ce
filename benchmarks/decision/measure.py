"""Measures what a decision needs, configuration by configuration, in random order and again in reverse.

Where the best are to be refined, that is done after the first pass, and later passes go over everything.

    different-images, same-image   does it answer from memory? first, while nothing can be remembered; where it seems
                                   so, once more in the second pass (different-images-2, same-image-2)
    single                         one request at a time: where the search begins
    rate-<r>-<n>                   probes of the capacity search
    expected-<pass>                at the rate that was asked for
    share-50, share-90             at half and nine tenths of the capacity: where the time goes

Each pass has a fresh server. The first one finds a bracket, each later one tries its two ends again and goes on
searching where it disagrees: two starts of one program differ, and so do two moments of one machine. Everything is
stored when it is done; what lies there is not measured again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capacity.measure import MOST, Target, find_capacity
from benchmarks.capacity.probe import lag_allowed, planned
from benchmarks.capacity.search import AGREE
from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import Screen
from benchmarks.decision.configurations import Configuration
from benchmarks.decision.estimate import Progress as Left
from benchmarks.decision.estimate import seconds_for
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.refinement import cores_beside_the_generator, in_matrix, most_promising, refined
from benchmarks.decision.result import asked_of, entries_after, entries_before_load
from benchmarks.decision.verdict import decide
from benchmarks.load.caching import ENOUGH, caching_plans, memory
from benchmarks.load.calibration import calibrate, highest
from benchmarks.load.generator import Progress, send
from benchmarks.load.payloads import read_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.reference import reference
from benchmarks.load.schedule import rounded
from benchmarks.load.stored import Load, facts_path, find_load
from benchmarks.machine.children import last_lines
from benchmarks.machine.cores import Cores, share_out
from benchmarks.machine.energy import EnergyMeter
from benchmarks.machine.server import Server, ServerError, given_or_fresh, taste
from benchmarks.micro.child import run_micro
from service.card import write_atomically

SHARES = {"share-50": 0.5, "share-90": 0.9}
MICRO_TURNS = 3        # of the bare runtimes, so that a slow minute falls on all models alike
FIRST_SHARE = 0.2      # of one over the unloaded answer time: the first rate of the search
AUDIT_SHARE = 0.3      # of it, for the audit against caching
AUDIT_SECONDS = 4.0    # at least
AUDIT_LIMIT = 20.0     # at most
TASTERS = 40           # requests that warm a server and tell about how long it takes


def measure_all(folder: DecisionFolder, contenders: list[Contender], screen: Screen,
                server: Server | None = None) -> dict[str, str]:
    """Measure what is missing; returns problems by configuration, which stop no other one.

    With `server`, everything is asked of that one instead of fresh ones.
    """
    wish, cores = folder.wish, share_out()
    by_id = {contender.id: contender for contender in contenders}
    screen.step("calibrating the generator", 15)
    calibration = calibrate(folder.folder, store_bodies(folder, contenders[0], wish), cores,
                            lag_us=lag_allowed(wish.limit), seconds=1.0 if wish.screening else 1.5)
    _micro(folder, screen, cores)
    problems: dict[str, str] = {}

    def take(passes: range) -> None:
        _take(passes, folder, by_id, screen, server, calibration, problems)

    if wish.refine > folder.refined_for:
        take(range(1, 2))
        _refine(folder)
        _micro(folder, screen, cores)
    take(range(1, wish.passes + 1))
    return problems


def _refine(folder: DecisionFolder) -> None:
    """Choose by the first pass who gets every axis."""
    entries, wish = entries_after(folder, 1), folder.wish
    decide(entries, asked_of(folder))
    by_id = {one.id: one for one in folder.configurations if in_matrix(one, wish)}
    best = most_promising([entry for entry in entries if entry["id"] in by_id], wish)
    folder.refine(best, [other for each in best
                         for other in refined(by_id[each], wish, cores_beside_the_generator())])


def _take(passes: range, folder: DecisionFolder, by_id: dict[str, Contender], screen: Screen, server: Server | None,
          calibration: dict[str, Any], problems: dict[str, str]) -> None:
    """Those passes (from 1) over everything that is worth it, as far as they are missing."""
    wish, entries = folder.wish, {entry["id"]: entry for entry in entries_before_load(folder)}
    worth = [one for one in folder.configurations if _worth_loading(entries[one.id], folder)]
    turns = [(number, one) for number, one in _order(worth, folder)
             if number in passes and not folder.done(one, number)]
    left = Left([seconds_for(entries[one.id], wish, number) for number, one in turns])
    for number, one in turns:
        if one.id in problems:
            continue
        if server is None:
            screen.step(f"{left.begin()} · {one}: server starts", 5)
        folder.place(one).mkdir(parents=True, exist_ok=True)  # who wants one measured again removes it
        own, began = share_out(one.cores), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            with given_or_fresh(
                server, root=Path(wish.root), log=folder.place(one) / "server.log", runtime=one.runtime,
                threads=one.threads, cores=own.server, settings=one.environment,
            ) as ready:
                facts = _Round(folder, one, by_id[one.model], ready, own, screen, calibration, number).measure()
        except ServerError as error:
            problems[one.id] = str(error)
        else:
            folder.finish(one, number, began=began, pinned_to=list(own.server), **facts)
        folder.note(problems=problems)


def _order(worth: list[Configuration], folder: DecisionFolder) -> Iterator[tuple[int, Configuration]]:
    """Every pass (from 1) over every configuration: shuffled, then in reverse, then as shuffled, ..."""
    shuffled = [worth[position] for position in np.random.default_rng(folder.wish.seed).permutation(len(worth))]
    for number in range(1, folder.wish.passes + 1):
        yield from ((number, one) for one in (shuffled if number % 2 else reversed(shuffled)))


def _worth_loading(entry: dict[str, Any], folder: DecisionFolder) -> bool:
    if entry["unavailable"]:
        return False
    accuracy = entry["card_accuracy"]
    wish = folder.wish
    too_low = accuracy is not None and accuracy["top1"] < wish.min_accuracy
    return wish.everything or not (entry["dominated"] or (too_low and not wish.pareto))


def _micro(folder: DecisionFolder, screen: Screen, cores: Cores) -> None:
    """The bare runtimes, one child process for each, number of threads and device."""
    wish = folder.wish
    wanted = {(one.runtime, one.threads, one.device) for one, why in folder.configurations.items() if why is None}
    for runtime, threads, device in sorted(wanted):
        output = folder.micro(runtime, threads, device)
        if not output.exists():
            screen.step(f"micro-benchmarks: {runtime}, {threads} thread(s), {device}", 20)
            settings = Settings(models=wish.models, root=wish.root, runtime=runtime, threads=threads,
                                micro_seconds=0.1 if wish.screening else 0.3)
            own = share_out(threads)
            run_micro(settings, output, log=folder.folder / "micro.log", cores=own.server or cores.server,
                      only="test_forward", device=device, turns=1 if wish.screening else MICRO_TURNS)


class _Round:
    """One pass over one configuration, on a server of its own."""

    def __init__(self, folder: DecisionFolder, one: Configuration, contender: Contender, server: Server, cores: Cores,
                 screen: Screen, calibration: dict[str, Any], number: int) -> None:
        self._folder = folder
        self._wish, self._one, self._server, self._cores, self._screen = folder.wish, one, server, cores, screen
        self._place, self._number = folder.place(one), number
        self._payloads = store_bodies(folder, contender, self._wish)
        reference(contender.card, contender.folder, read_payloads(self._payloads), folder.reference(one.model))
        self._most = min(MOST, highest(calibration))

    def measure(self) -> dict[str, Any]:
        """Everything of this pass; returns what is noted of it."""
        wish, one, last = self._wish, self._one, self._number == self._wish.passes
        bodies = read_payloads(self._payloads)
        tasted = taste(self._server, one.path, content=bodies.bodies[0], content_type=bodies.content_type,
                       times=TASTERS)
        if self._number == 1 or (self._number == 2 and self._seems_to_remember()):
            self._look_for_a_cache(tasted, len(bodies))
        start = FIRST_SHARE * one.workers * 1e6 / self._alone_us()
        target = Target(model=one.model, path=one.path, payloads=self._payloads, folder=self._place, seed=wish.seed)
        known = self._probes()
        agree = max(self._number, AGREE if last else 1)
        found, _ = find_capacity(target, self._server, wish.limit, wish.effort, start=start, most=self._most,
                                 wanted=wish.rate, decide=True, agree=agree, cores=self._cores.generator,
                                 step=self._step, check=self._check)
        if found.low is not None:
            if wish.rate <= found.low:
                self._at(wish.rate, f"expected-{self._number}", f"the expected {wish.rate:g}/s")
            for name, share in SHARES.items() if last else ():
                self._at(rounded(share * found.low), name, f"{share:.0%} of capacity")
        return {"bracket": [found.low, found.high], "probes": sorted(self._probes() - known)}

    def _seems_to_remember(self) -> bool:
        return memory(self._folder.loads(self._one)) is not None

    def _look_for_a_cache(self, tasted: float, bodies: int) -> None:
        one, wish = self._one, self._wish
        suffix = "" if self._number == 1 else f"-{self._number}"
        if (self._place / f"same-image{suffix}.json").exists():  # the server might remember what it was asked before
            return
        rate = min(self._most, AUDIT_SHARE / tasted)
        for plan in caching_plans(rate, bodies, model=one.model, path=one.path, seed=wish.seed, suffix=suffix,
                                  seconds=min(AUDIT_LIMIT, max(AUDIT_SECONDS, 1.5 * ENOUGH / rate))):
            self._load(plan, plan.name.replace("-", " "))

    def _alone_us(self) -> float:
        """The median of one request at a time."""
        effort = self._wish.effort
        single = Plan(name="single", model=self._one.model, path=self._one.path, arrival="closed",
                      seconds=effort.warmup, warmup=effort.warmup, warmup_most=10 * effort.warmup,
                      at_least=150 if self._wish.screening else 700, seed=self._wish.seed)
        self._load(single, "one request at a time")
        stored = find_load(self._place, single)
        assert stored is not None
        alone = stored.rows.measured.succeeded.service_us
        if not len(alone):
            raise ServerError(f"no request was answered rightly; {self._server.log} may say why")
        return float(np.median(alone))

    def _at(self, rate: float, name: str, title: str) -> None:
        plan = planned(rate, 0, self._wish.limit, self._wish.effort, model=self._one.model, path=self._one.path,
                       seed=self._wish.seed + self._number - 1)
        self._load(replace(plan, name=name), title)

    def _load(self, plan: Plan, title: str) -> None:
        if find_load(self._place, plan) is not None:
            return
        progress = self._step(title, plan.warmup + plan.seconds)
        with EnergyMeter() as meter:
            send(plan, self._server, payloads=self._payloads, folder=self._place, cores=self._cores.generator,
                 progress=progress)
        write_atomically(self._place / f"{plan.name}.energy.json", json.dumps(meter.used).encode() + b"\n")

    def _check(self, load: Load) -> None:
        """What failed because the server had ended says nothing about a rate, and is not kept."""
        if len(load.rows.measured.succeeded) or self._server.process.poll() is None:
            return
        facts_path(self._place, load.plan.name).unlink(missing_ok=True)
        raise ServerError(f"the service ended with code {self._server.process.returncode} during {load.plan.name}; "
                          f"{self._server.log} ends with\n{last_lines(self._server.log)}")

    def _step(self, title: str, seconds: float) -> Progress:
        return self._screen.step(f"{self._one}: {title}", seconds)

    def _probes(self) -> set[str]:
        return {path.stem for path in self._place.glob("rate-*.json") if not path.stem.endswith(".energy")}
