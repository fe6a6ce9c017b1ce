"""Measures what a decision needs, configuration by configuration, each on a fresh server and in random order.

    different-images, same-image   does it answer from memory? first, while nothing can be remembered
    single                         one request at a time: where the search begins
    rate-<r>-<n>                   probes of the capacity search
    expected                       at the rate that was asked for
    share-50, share-90             at half and nine tenths of the capacity: where the time goes

Everything is stored when it is done; what lies there is not measured again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capacity.measure import MOST, Target, find_capacity
from benchmarks.capacity.probe import lag_allowed, planned
from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import Screen
from benchmarks.decision.configurations import Configuration
from benchmarks.decision.folder import DecisionFolder
from benchmarks.decision.result import entries_before_load
from benchmarks.load.caching import ENOUGH, caching_plans
from benchmarks.load.calibration import RATES, calibrate
from benchmarks.load.generator import Progress, send
from benchmarks.load.payloads import read_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.stored import find_load
from benchmarks.machine.cores import Cores, share_out
from benchmarks.machine.server import Server, ServerError, serving, taste
from benchmarks.micro.child import run_micro

SHARES = {"share-50": 0.5, "share-90": 0.9}
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
    worth = [one for one in folder.configurations if _worth_loading(folder, one)]
    problems: dict[str, str] = {}
    for position in np.random.default_rng(wish.seed).permutation(len(worth)):
        one = worth[position]
        if folder.done(one):
            continue
        own = share_out(one.cores)
        try:
            with _server_for(one, folder, own, screen, server) as ready:
                _measure(one, folder, by_id[one.model], ready, own, screen, calibration)
        except ServerError as error:
            problems[one.id] = str(error)
        else:
            folder.finish(one)
        folder.note(problems=problems)
    return problems


def _worth_loading(folder: DecisionFolder, one: Configuration) -> bool:
    entry = next(entry for entry in entries_before_load(folder) if entry["id"] == one.id)
    if entry["unavailable"]:
        return False
    accuracy = entry["card_accuracy"]
    too_low = accuracy is not None and accuracy["top1"] < folder.wish.min_accuracy
    return folder.wish.everything or not (too_low or entry["dominated"])


def _micro(folder: DecisionFolder, screen: Screen, cores: Cores) -> None:
    """The bare runtimes, one child process for each and number of threads."""
    wish = folder.wish
    wanted = {(one.runtime, one.threads) for one, why in folder.configurations.items() if why is None}
    for runtime, threads in sorted(wanted):
        output = folder.micro(runtime, threads)
        if not output.exists():
            screen.step(f"micro-benchmarks: {runtime}, {threads} thread(s)", 20)
            settings = Settings(models=wish.models, root=wish.root, runtime=runtime, threads=threads,
                                micro_seconds=0.1 if wish.screening else 0.3)
            run_micro(settings, output, log=folder.folder / "micro.log", cores=cores.server, only="test_forward")


@contextmanager
def _server_for(
    one: Configuration, folder: DecisionFolder, cores: Cores, screen: Screen, server: Server | None
) -> Iterator[Server]:
    if server is not None:
        yield server
        return
    screen.step(f"{one}: server starts", 5)
    with serving(root=Path(folder.wish.root), log=folder.place(one) / "server.log", runtime=one.runtime,
                 threads=one.threads, cores=cores.server, settings=one.environment) as fresh:
        yield fresh


def _measure(
    one: Configuration, folder: DecisionFolder, contender: Contender, server: Server, cores: Cores, screen: Screen,
    calibration: dict[str, Any],
) -> None:
    wish, place = folder.wish, folder.place(one)
    slo, effort = wish.limit, wish.effort
    payloads = store_bodies(folder, contender, wish)
    most = min(MOST, calibration["most_rate"] or RATES[0])

    def step(title: str, seconds: float) -> Progress:
        return screen.step(f"{one}: {title}", seconds)

    def load(plan: Plan, title: str) -> None:
        if find_load(place, plan) is None:
            progress = step(title, plan.warmup + plan.seconds)
            send(plan, server, payloads=payloads, folder=place, cores=cores.generator, progress=progress)

    bodies = read_payloads(payloads)
    tasted = taste(server, one.path, content=bodies.bodies[0], content_type=bodies.content_type, times=TASTERS)
    if not (place / "same-image.json").exists():  # later the server might remember what it was asked before
        rate = min(most, AUDIT_SHARE / tasted)
        for plan in caching_plans(rate, len(bodies), model=one.model, path=one.path, seed=wish.seed,
                                  seconds=min(AUDIT_LIMIT, max(AUDIT_SECONDS, 1.5 * ENOUGH / rate))):
            load(plan, plan.name.replace("-", " "))
    single = Plan(name="single", model=one.model, path=one.path, arrival="closed", seconds=effort.warmup,
                  warmup=effort.warmup, at_least=150 if wish.screening else 700, seed=wish.seed)
    load(single, "one request at a time")
    stored = find_load(place, single)
    assert stored is not None
    alone = stored.rows.measured.succeeded.service_us
    if not len(alone):
        raise ServerError(f"no request was answered rightly; {server.log} may say why")
    start = FIRST_SHARE * one.workers * 1e6 / float(np.median(alone))
    target = Target(model=one.model, path=one.path, payloads=payloads, folder=place, seed=wish.seed)
    found, _ = find_capacity(target, server, slo, effort, start=start, most=most, cores=cores.generator, step=step)

    def at(rate: float, name: str, title: str) -> None:
        plan = planned(rate, 0, slo, effort, model=one.model, path=one.path, seed=wish.seed)
        load(replace(plan, name=name), title)

    if found.low is not None:
        if wish.rate <= found.low:
            at(wish.rate, "expected", f"the expected {wish.rate:g}/s")
        for name, share in SHARES.items():
            at(float(f"{share * found.low:.4g}"), name, f"{share:.0%} of capacity")
