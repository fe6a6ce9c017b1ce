"""The load generator: locust with an open loop, so that a stalled server is seen and not waited for.

    python -m benchmarks                                                     sends it by itself, with a plan
    locust -f benchmarks/locustfile.py --host http://localhost:3000         in locust's own web page, by hand
    locust -f benchmarks/locustfile.py --master (or --worker)               from several machines, see
                                                                             docs/distributed-load.md

Locust's users send, wait for the answer, then think: when the server stalls they stop asking, and the stall is one
slow sample among thousands. Here one user per process walks a fixed schedule and starts every request at its time,
whatever the others are doing. Latency counts from the *intended* start, so locust's own page and tables are honest too.

This file is only ever imported by locust: it patches the standard library of its process. The sending itself happens
in a thread of its own (`benchmarks.load.sender`), which neither locust nor gevent ever interrupts for long.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
from locust import User, events, stats, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from benchmarks.comparison.contenders import MODELS
from benchmarks.load.merge import Part, merge, pack, unpack
from benchmarks.load.payloads import Payloads, encode, read_payloads
from benchmarks.load.plan import Order, Plan, read_order
from benchmarks.load.protocols.readers import reader_of
from benchmarks.load.recorder import Recorder
from benchmarks.load.rows import DROPPED, OK, OUTCOMES, write_rows
from benchmarks.load.selfcheck import SelfCheck
from benchmarks.load.sender import Sender
from benchmarks.load.stored import Load, rows_path, write_facts
from benchmarks.load.wire import bearer
from benchmarks.load.words import lines
from service.settings import Address
from service.splits import FOLDER, Split

LONGEST_ANSWER = 60.0  # seconds a stopped test waits for what is under way
EVERY = 0.25           # seconds between two reports to locust's own statistics
TURN = 0.0002          # seconds after which the sending thread gets the interpreter back
PART, PROGRESS = "weighbridge-part", "weighbridge-progress"
# Locust rounds to whole milliseconds below 100 ms, which makes 0.6 ms and 1.4 ms the same number.
stats.bucket_response_time = lambda milliseconds: round(milliseconds, 2)  # type: ignore[assignment,return-value]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: ArgumentParser, **_: Any) -> None:
    """What a plan says, for those who come without one; locust's web page shows these as fields."""
    parser.add_argument("--order", default="", include_in_web_ui=False, help="file written by python -m benchmarks")
    parser.add_argument("--model", default="", help="model to ask for; empty: the server's default")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second in all, Poisson arrivals")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the schedule is")
    parser.add_argument("--warmup", type=float, default=0.0, help="seconds before it that do not count")
    parser.add_argument("--images", default=str(MODELS), help="folder of models and splits")
    parser.add_argument("--split", default="fashion-mnist-test", help="bundled labelled images to send")
    parser.add_argument("--load-seed", type=int, default=0, help="seed of arrival times and image order")
    parser.add_argument("--save", default="", help="folder for rows and summary of the load")
    parser.add_argument("--walkers", nargs="*", default=[], include_in_web_ui=False, help="set by the master")


@events.init.add_listener  # type: ignore[untyped-decorator]
def prepare(environment: Environment, **_: Any) -> None:
    """Let requests in flight finish when a test ends, which locust kills otherwise; as master, collect the parts."""
    environment.stop_timeout = max(environment.stop_timeout or 0, LONGEST_ANSWER)
    runner, options = environment.runner, environment.parsed_options
    if isinstance(runner, MasterRunner) and options is not None:
        options.num_users = options.spawn_rate = max(1, options.expect_workers)  # one each, at once
        collector = Collector(environment)
        runner.register_message(PART, collector.take)
        runner.register_message(PROGRESS, collector.hear)
        environment.events.test_start.add_listener(collector.begin)  # type: ignore[no-untyped-call]


class Collector:
    """Deals out shares as master, waits for their rows, and writes them down as one load."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._parts: dict[str, Part] = {}
        self._said: dict[str, dict[str, float]] = {}

    def begin(self, **_: Any) -> None:
        """A test begins: every worker that is there gets a share, told by its place in the list of walkers."""
        runner, options = self._environment.runner, self._environment.parsed_options
        assert options is not None
        assert isinstance(runner, MasterRunner)
        options.walkers = sorted(worker.id for worker in runner.clients.ready)
        self._parts, self._said = {}, {}
        if runner.target_user_count < len(options.walkers):
            logging.error("%d workers need as many users, not %d; nothing is sent", len(options.walkers),
                          runner.target_user_count)
            gevent.spawn(runner.quit)
            return
        gevent.spawn(self._finish, list(options.walkers))

    def take(self, msg: Any, **_: Any) -> None:
        """One worker's rows."""
        self._parts[msg.node_id] = Part(unpack(msg.data["rows"]), msg.data["account"])

    def hear(self, msg: Any, **_: Any) -> None:
        """How far one worker is; told on as the sum of all."""
        self._said[msg.node_id] = msg.data
        if self._environment.parsed_options and self._environment.parsed_options.order:
            every = self._said.values()
            _print({"seconds": max(said["seconds"] for said in every),
                    "warming": any(said["warming"] for said in every)}
                   | {key: sum(said[key] for said in every) for key in ("answered", "ok")})

    def _finish(self, walkers: list[str]) -> None:
        runner = self._environment.runner
        assert isinstance(runner, MasterRunner)
        while any(walker not in self._parts and _alive(runner, walker) for walker in walkers):
            gevent.sleep(0.1)
        parts = [self._parts[walker] for walker in walkers if walker in self._parts]
        if not parts:
            logging.error("every worker was lost; there are no rows")
            self._environment.process_exit_code = 1
        else:
            whole = merge(parts, expected=len(walkers))
            order, plan, _ = _asked(self._environment)
            _write(self._environment, order, plan, whole)
        _end(self._environment)


def _alive(runner: MasterRunner, worker: str) -> bool:
    return worker in runner.clients and runner.clients[worker].state != "missing"


class Visitor(User):
    """One walker of the schedule; a second one in the same process would send the same again, and goes home."""

    walking = False

    def _prepare(self) -> None:
        environment = self.environment
        self.order, plan, (index, of) = _asked(environment)
        self.plan = plan.share(index, of)
        payloads = read_payloads(self.order.payloads) if self.order else _images(environment.parsed_options)
        self.recorder = Recorder(labels=payloads.labels, images=payloads.images, limit_us=plan.limit_us,
                                 read=reader_of(payloads.protocol))
        # The key comes by the environment, never by the order: that is a file.
        self.sender = Sender(self.plan, payloads, self.recorder, environment.host or "", bearer(Address.read().api_key))
        environment.events.test_stopping.add_listener(self._stop)
        gc.collect()
        gc.freeze()   # the bodies live to the end; scanning them again and again would pause the sender
        gc.disable()  # nor does a load make rings of objects that anybody would have to look for

    @task
    def load(self) -> None:
        """The whole load, once; then the rows, and the end of the process."""
        if Visitor.walking:
            raise StopUser
        Visitor.walking = True
        try:
            self._walk()
        except Exception as error:  # locust would log it and send everything once more
            logging.exception("the load was broken off: %s", error)
            self.environment.process_exit_code = 1
            _end(self.environment)
        finally:
            Visitor.walking = False
        raise StopUser

    def _walk(self) -> None:
        self._prepare()
        sys.setswitchinterval(TURN)
        check = SelfCheck(self.sender.clock, self.recorder, say=self._say)
        teller = None if self.order else gevent.spawn(self._tell)
        try:
            gevent.get_hub().threadpool.apply(self.sender.run)
        finally:
            check.sending_ended()
            gc.enable()
        rows = self.recorder.rows()
        part = Part(rows, {**check.account(), **self.sender.account()})
        if teller is not None:
            teller.join()
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(PART, {"rows": pack(part.rows), "account": part.account})
            return
        _write(self.environment, self.order, self.plan, part)
        _end(self.environment)

    def _tell(self) -> None:
        """Locust's own statistics, a little later than things happen: nobody there is in a hurry."""
        told, last = 0, False
        while not last:
            last = self.sender.ended and not self.recorder.unread
            rows = self.recorder.since(told)
            told += len(rows)
            for intended, response_us, size, outcome in rows:
                if intended < self.recorder.begins:  # warm-up, which does not count here either
                    continue
                problem = None if outcome == OK else RuntimeError(OUTCOMES[outcome])
                self.environment.events.request.fire(
                    # What was dropped has no time: the moment that it took to drop it would flatter every percentile.
                    request_type="POST", name=self.plan.model, response_length=size, exception=problem, context={},
                    response_time=None if outcome == DROPPED else response_us / 1000,
                )
            gevent.sleep(EVERY)

    def _say(self, said: dict[str, float]) -> None:
        runner = self.environment.runner
        if isinstance(runner, WorkerRunner):
            runner.send_message(PROGRESS, said)
        elif self.order:
            _print(said)

    def _stop(self, **_: Any) -> None:
        self.sender.stopping = True


def _asked(environment: Environment) -> tuple[Order | None, Plan, tuple[int, int]]:
    """The order, if there is one; the whole plan; and which share of it is this process's, of how many."""
    options: Any = environment.parsed_options
    order = read_order(Path(options.order)) if options.order else None
    walkers, runner = list(options.walkers), environment.runner
    share = (0, 1)
    if isinstance(runner, WorkerRunner):
        share = (walkers.index(runner.client_id), len(walkers))
    plan = order.plan if order else _by_hand(options)
    # Each worker would find the server warm at another moment; together they take the least that was asked for.
    return order, replace(plan, warmup_most=None) if len(walkers) > 1 else plan, share


def _by_hand(options: Any) -> Plan:
    query = f"?model={options.model}" if options.model else ""
    return Plan(name="by-hand", model=options.model or "default", arrival="poisson", rate=options.rate,
                seconds=options.seconds, warmup=options.warmup, seed=options.load_seed, path=f"/predict{query}")


def _images(options: Any) -> Payloads:
    images, labels = Split.find(Path(options.images) / FOLDER / options.split).load()
    return encode("png", images, labels, limit=2000, seed=options.load_seed)


def _write(environment: Environment, order: Order | None, plan: Plan, part: Part) -> None:
    """Rows first, the account last: where it is, the rows are complete."""
    options: Any = environment.parsed_options
    if order:
        write_rows(order.rows, part.rows)
        order.facts.write_text(json.dumps(part.account, indent=2))
        return
    server = {"cpu": None, "rss_bytes": None}
    if options.save:
        folder = Path(options.save)
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(rows_path(folder, plan.name), part.rows)
        write_facts(folder, plan, generator=part.account, server=server)
    for line in lines(Load(plan, part.rows, part.account, server)):
        sys.stderr.write(f"{line}\n")


def _print(said: dict[str, float]) -> None:
    """One line for the parent process."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _end(environment: Environment) -> None:
    assert environment.runner is not None
    if environment.web_ui:
        environment.runner.stop()  # the page stays, with its charts
    else:
        environment.runner.quit()
