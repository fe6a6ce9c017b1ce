"""Measures what a running server bears, load by load.

    different-images, same-image   does it answer from memory? first, while nothing of these images can be remembered;
                                   where it seems so, once more with images that were not sent yet (…-2)
    single                         one request at a time: where the search begins
    rate-<r>-<n>                   probes of the capacity search
    expected                       at the rate that was asked for, where it is borne

The generator is calibrated before. Everything is stored when it is done; what lies there is not measured again. Where
the server goes away it ends: what failed because nobody was there says nothing about a rate, and is not kept.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capacity.measure import MOST, Target, find_capacity
from benchmarks.capacity.probe import lag_allowed, planned
from benchmarks.comparison.bodies import store_split
from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.comparison.steps import Screen
from benchmarks.elsewhere.asking import alive, predict, said, taste
from benchmarks.elsewhere.folder import CapacityFolder
from benchmarks.elsewhere.served import Served
from benchmarks.load.caching import ENOUGH, caching_plans, memory
from benchmarks.load.calibration import calibrate, highest
from benchmarks.load.generator import send
from benchmarks.load.payloads import Payloads, part, read_payloads, write_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.protocols.readers import reader_of
from benchmarks.load.recorder import read_answer
from benchmarks.load.stored import Load, facts_path, find_load
from benchmarks.load.wire import Reply
from benchmarks.machine.cores import Cores
from benchmarks.machine.server import Elsewhere, ServerError

FIRST_SHARE = 0.2      # of one over the unloaded answer time: the first rate of the search
AUDIT_SHARE = 0.3      # of it, for the audit against caching
AUDIT_SECONDS = 4.0    # at least
AUDIT_LIMIT = 20.0     # at most
AUDIT_PART = 4 * ENOUGH  # bodies, from which on the audit keeps half of them for a second look
TASTERS = 40           # requests that warm a server and tell about how long it takes


def measure(folder: CapacityFolder, served: Served, server: Elsewhere, cores: Cores, screen: Screen) -> None:
    """Measure what is missing; ServerError or NothingToWeighError where the server cannot be measured."""
    _Measurement(folder, served, server, cores, screen).run()


def check_answer(served: Served, server: Elsewhere, payloads: Payloads) -> None:
    """NothingToWeighError where the first answer has no prediction in it: every load would be one of failures."""
    answer = predict(server, served.path, payloads)
    head = b"".join(b"\r\n%b: %b" % (name, value) for name, value in answer.headers.raw)
    reply = Reply(200, head, answer.content, closes=False)
    if not read_answer(0, reply, reader_of(payloads.protocol)).problem:
        return
    protocol = payloads.protocol
    form = f"the output {protocol.output} with {protocol.classes} numbers" if protocol.name == "oip" else \
        'at least {"predictions": [{"index": 9}]}'
    raise NothingToWeighError(f"POST {served.path} is answered with 200, but with no prediction: {said(answer)!r}. "
                              f"What can be read is {form}")


class _Measurement:
    def __init__(self, folder: CapacityFolder, served: Served, server: Elsewhere, cores: Cores, screen: Screen) -> None:
        self._folder, self._served, self._server = folder, served, server
        self._question, self._cores, self._screen = folder.question, cores, screen

    def run(self) -> None:
        """Everything, in order."""
        question, served = self._question, self._served
        self._payloads = store_split(self._folder, served.split, served.kind, lambda images, labels: served.payloads(
            images, labels, seed=question.seed))
        bodies = read_payloads(self._payloads)
        check_answer(served, self._server, bodies)
        self._screen.step("calibrating the generator", 15)
        calibration = calibrate(self._folder.folder, self._payloads, self._cores, lag_us=lag_allowed(question.limit),
                                seconds=1.0 if question.screening else 1.5)
        most = min(MOST, highest(calibration))
        self._screen.step("first answers", 5)
        self._look_for_a_cache(min(most, AUDIT_SHARE / taste(self._server, served.path, bodies, TASTERS)), bodies)
        self._search(most)

    def _look_for_a_cache(self, rate: float, bodies: Payloads) -> None:
        count = len(bodies)
        halves = [(0, count // 2), (count // 2, count)] if count >= 2 * AUDIT_PART else [(0, count)]
        for number, (begin, end) in enumerate(halves, 1):
            if number == 2 and memory(self._folder.loads()) is None:
                return
            suffix = "" if number == 1 else f"-{number}"
            if (self._folder.place / f"same-image{suffix}.json").exists():  # another rate would be another load
                continue
            payloads = self._folder.folder / f"audit{suffix}.npz"
            write_payloads(payloads, part(bodies, begin, end))
            for plan in caching_plans(rate, end - begin, model=self._served.model, path=self._served.path,
                                      seed=self._question.seed, suffix=suffix,
                                      seconds=min(AUDIT_LIMIT, max(AUDIT_SECONDS, 1.5 * ENOUGH / rate))):
                self._load(plan, plan.name.replace("-", " "), payloads)
            payloads.unlink()

    def _search(self, most: float) -> None:
        question = self._question
        start = FIRST_SHARE * 1e6 / self._alone_us()
        target = Target(model=self._served.model, path=self._served.path, payloads=self._payloads,
                        folder=self._folder.place, seed=question.seed)
        found, _ = find_capacity(target, self._server, question.limit, question.effort, most=most, decide=True,
                                 start=max(start, question.rate or 0), wanted=question.rate, check=self._check,
                                 cores=self._cores.generator, step=self._screen.step)
        if found.low is not None and question.rate is not None and question.rate <= found.low:
            plan = planned(question.rate, 0, question.limit, question.effort, model=self._served.model,
                           path=self._served.path, seed=question.seed)
            self._load(replace(plan, name="expected"), f"the expected {question.rate:g} requests/s", self._payloads)

    def _alone_us(self) -> float:
        """The median of one request at a time."""
        effort = self._question.effort
        single = Plan(name="single", model=self._served.model, path=self._served.path, arrival="closed",
                      seconds=effort.warmup, warmup=effort.warmup, warmup_most=10 * effort.warmup,
                      at_least=150 if self._question.screening else 700, seed=self._question.seed)
        load = self._load(single, "one request at a time", self._payloads)
        alone = load.rows.measured.succeeded.service_us
        if not len(alone):
            problems: dict[str, Any] = load.generator["problems"]
            raise ServerError("no request was answered with a prediction: "
                              + ", ".join(f"{count} × {problem}" for problem, count in problems.items()))
        return float(np.median(alone))

    def _load(self, plan: Plan, title: str, payloads: Path) -> Load:
        if (stored := find_load(self._folder.place, plan)) is not None:
            return stored
        load = send(plan, self._server, payloads=payloads, folder=self._folder.place, cores=self._cores.generator,
                    progress=self._screen.step(title, plan.warmup + plan.seconds))
        self._check(load)
        return load

    def _check(self, load: Load) -> None:
        """What failed because the server had gone is no measurement of it."""
        if len(load.rows.measured.succeeded) or alive(self._server):
            return
        facts_path(self._folder.place, load.plan.name).unlink(missing_ok=True)
        raise ServerError(f"{self._server.url} went away during {load.plan.name}; start it and run the same again with "
                          f"--output {self._folder.folder}: what was measured before is kept")
