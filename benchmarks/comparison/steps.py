"""Weighs every contender in turn: a fresh server, a load to find its capacity, then loads it is compared at.

    closed     several connections that never pause: what is the most it answers per second?
    single     one request at a time: how fast is it when nobody else is there?
    open-50    Poisson arrivals at half of that capacity: an ordinary day
    open-80    Poisson arrivals at four fifths: a busy one

Every step is stored when it is done, so an interrupted run continues where it stopped. Each model gets the same
schedule seeds and the same images in the same order, so that differences are the models' own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from benchmarks.comparison.bodies import store_bodies
from benchmarks.comparison.contenders import Contender
from benchmarks.comparison.run import Run
from benchmarks.comparison.settings import Settings
from benchmarks.load.generator import send
from benchmarks.load.payloads import read_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.reference import reference
from benchmarks.load.stored import Load, find_load
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import Server, ServerError, given_or_fresh, post
from benchmarks.micro.child import run_micro


class Screen(Protocol):
    """Shows people how far it is."""

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        """A new step of about so many seconds has begun; the returned function takes its progress."""
        ...


def weigh(
    run: Run, contenders: list[Contender], cores: Cores, screen: Screen, server: Server | None = None
) -> list[str]:
    """Measure what is not measured yet; returns why models could not be measured, which stops no other model.

    With `server`, all models are weighed on that one instead of fresh ones.
    """
    settings, problems = run.settings, []
    if settings.micro_seconds and not run.micro.exists():
        screen.step("micro-benchmarks", settings.micro_seconds * (8 + 3 * len(contenders)) + 5)
        run_micro(settings, run.micro, log=run.folder / "micro.log", cores=cores.server)
    for contender in contenders:
        if not _Steps(run, contender).missing():
            continue
        payloads = store_bodies(run, contender, settings)
        reference(contender.card, contender.folder, read_payloads(payloads), run.reference(contender.id))
        try:
            if server is None:
                screen.step(f"{contender.card.name}: server starts", 5)
            with given_or_fresh(
                server, root=Path(settings.root), log=run.model_folder(contender.id) / "server.log",
                runtime=settings.runtime, threads=settings.threads, cores=cores.server,
            ) as ready:
                _measure(run, contender, ready, payloads, cores, screen)
        except ServerError as error:
            problems.append(f"{contender.id}: {error}")
    return problems


def capacity(load: Load) -> float:
    """Successful answers per second of a closed load."""
    rows = load.rows.measured.succeeded
    if not len(rows):
        return 0.0
    span = (int(rows.done.max()) - load.begins * 1e6) / 1e6
    return len(rows) / span


def _measure(
    run: Run, contender: Contender, server: Server, payloads: Path, cores: Cores, screen: Screen
) -> None:
    steps, settings = _Steps(run, contender), run.settings
    one = read_payloads(payloads)
    post(server, settings.path(contender.id), content=one.bodies[0], headers={"Content-Type": one.content_type})
    while missing := steps.missing():
        plan = missing[0]
        shown = screen.step(f"{contender.card.name}: {describe(plan)}", plan.warmup + plan.seconds)
        send(plan, server, payloads=payloads, folder=run.model_folder(contender.id), cores=cores.generator,
             progress=shown)


class _Steps:
    """Which loads a contender still needs. The open ones are known once the closed one is there."""

    def __init__(self, run: Run, contender: Contender) -> None:
        self._folder = run.model_folder(contender.id)
        self._settings: Settings = run.settings
        self._model = contender.id

    def missing(self) -> list[Plan]:
        closed = self._settings.closed(self._model)
        found = find_load(self._folder, closed)
        plans = [closed, self._settings.single(self._model)]
        if found is not None and (limit := capacity(found)):
            plans += self._settings.open(self._model, limit)
        return [plan for plan in plans if find_load(self._folder, plan) is None]


def describe(plan: Plan) -> str:
    """A plan in a few words."""
    if plan.arrival != "closed":
        share = f", {plan.utilisation:.0%} of throughput" if plan.utilisation else ""
        return f"{plan.rate:g} requests/s{share}"
    return "one request at a time" if plan.connections == 1 else f"{plan.connections} connections, no pause"
