"""The load generator: locust with an open loop, so that a stalled server is seen and not waited for.

    python -m benchmarks                                                     sends it by itself, with a plan
    locust -f benchmarks/locustfile.py --host http://localhost:3000         in locust's own web page, by hand

Locust's users send, wait for the answer, then think: when the server stalls they stop asking, and the stall is one
slow sample among thousands. Here one user walks a fixed schedule and starts every request at its time, whatever the
others are doing. Latency counts from the *intended* start, so locust's own page and tables are honest as well.

This file is only ever imported by locust: it patches the standard library of its process.
"""

from __future__ import annotations

import gc
from argparse import ArgumentParser
from itertools import cycle
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent.pool import Pool  # type: ignore[import-untyped]
from locust import FastHttpUser, events, stats, task
from locust.env import Environment

from benchmarks.comparison.contenders import MODELS
from benchmarks.load.clock import Clock
from benchmarks.load.payloads import Payloads, encode, read_payloads
from benchmarks.load.plan import Order, Plan, read_order
from benchmarks.load.recorder import Answer, Recorder, no_answer, read_answer
from benchmarks.load.rows import OK, write_rows
from benchmarks.load.schedule import arrivals, image_order
from benchmarks.load.selfcheck import SelfCheck
from service.splits import FOLDER, Split

MICROSECONDS = 1_000_000
LONGEST_ANSWER = 60.0  # seconds a stopped test waits for what is under way
# Locust rounds to whole milliseconds below 100 ms, which makes 0.6 ms and 1.4 ms the same number.
stats.bucket_response_time = lambda milliseconds: round(milliseconds, 2)  # type: ignore[assignment,return-value]


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: ArgumentParser, **_: Any) -> None:
    """What a plan says, for those who come without one; locust's web page shows these as fields."""
    parser.add_argument("--order", default="", include_in_web_ui=False, help="file written by python -m benchmarks")
    parser.add_argument("--model", default="", help="model to ask for; empty: the server's default")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second, Poisson arrivals")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the schedule is")
    parser.add_argument("--images", default=str(MODELS), help="folder of models and splits")
    parser.add_argument("--split", default="fashion-mnist-test", help="bundled labelled images to send")
    parser.add_argument("--load-seed", type=int, default=0, help="seed of arrival times and image order")


@events.init.add_listener  # type: ignore[untyped-decorator]
def wait_for_answers(environment: Environment, **_: Any) -> None:
    """Locust kills requests in flight when a test ends, and the slowest answers with them. Let them finish."""
    environment.stop_timeout = max(environment.stop_timeout or 0, LONGEST_ANSWER)


class Visitor(FastHttpUser):
    """One walker of the schedule; each request runs in its own greenlet."""

    fixed_count = 1       # more walkers would send the same schedule again

    def __init__(self, environment: Environment) -> None:
        options: Any = environment.parsed_options
        self.order: Order | None = read_order(Path(options.order)) if options.order else None
        self.plan, self.payloads = _planned(self.order) if self.order else _by_hand(options)
        self.recorder = Recorder(labels=self.payloads.labels, images=self.payloads.images, limit_us=self.plan.limit_us)
        self.pool = Pool(self.plan.pool)
        # Locust's own limit on connections blocks; the pool above drops and counts, so it must be the tighter one.
        self.concurrency = self.plan.pool + self.plan.connections
        self.network_timeout = self.connection_timeout = self.plan.timeout
        self.stopping = False
        environment.events.test_stopping.add_listener(self._stop)  # type: ignore[no-untyped-call]
        super().__init__(environment)
        gc.collect()
        gc.freeze()  # the bodies live to the end; scanning them again and again would pause the sender

    @task
    def load(self) -> None:
        """The whole load, once; then the last answers, the rows, and the end of the process."""
        self.clock = Clock()
        check = SelfCheck(self.clock, self.recorder, starts=self.plan.warmup, loud=self.order is not None)
        if self.plan.arrival == "closed":
            self._closed_loop()
        else:
            self._open_loop()
        check.sending_ended()
        self.pool.join()  # every answer is waited for; the timeout bounds the slowest
        if self.order:
            write_rows(self.order.rows, self.recorder.rows())
            check.write(self.order.facts, stopped_early=self.decided)
        if self.environment.web_ui:
            self.environment.runner.stop()  # the page stays, with its charts
        else:
            self.environment.runner.quit()

    def _open_loop(self) -> None:
        plan = self.plan
        assert plan.rate is not None
        assert plan.arrival != "closed"
        times = arrivals(plan.arrival, plan.rate, plan.warmup + plan.seconds, plan.seed).tolist()
        positions = image_order(1 if plan.same_image else len(self.payloads), len(times), plan.seed).tolist()
        begins = plan.warmup * MICROSECONDS
        for intended, position in zip(times, positions, strict=True):
            # Yields even when late, so that answers are read while the backlog is sent.
            gevent.sleep(max(0.0, (intended - self.clock.now()) / MICROSECONDS))
            if self.stopping or self.decided:
                return
            warmup = intended < begins
            if self.pool.full():
                self.recorder.drop(intended=intended, now=self.clock.now(), warmup=warmup, position=position)
            else:
                self.pool.spawn(self._send, intended, position, warmup)

    def _closed_loop(self) -> None:
        plan = self.plan
        positions = cycle(image_order(len(self.payloads), len(self.payloads), plan.seed).tolist())
        begins, ends = plan.warmup * MICROSECONDS, (plan.warmup + plan.seconds) * MICROSECONDS
        latest = plan.latest_end * MICROSECONDS
        measured = 0

        def connection() -> None:
            nonlocal measured
            while not self.stopping:
                now = self.clock.now()
                if now >= latest or (now >= ends and measured >= plan.at_least):
                    return
                measured += now >= begins
                self._send(now, next(positions), now < begins)

        for _ in range(plan.connections):
            self.pool.spawn(connection)
        self.pool.join()

    @property
    def decided(self) -> bool:
        """Whether so many requests have missed the objective that nothing can make up for it."""
        return self.plan.most_over is not None and self.recorder.over > self.plan.most_over

    def _send(self, intended: int, position: int, warmup: bool) -> None:
        sent = self.clock.now()
        if self.plan.arrival == "closed":
            intended = sent
        with self.client.post(
            self.plan.path,
            data=self.payloads.bodies[position],  # type: ignore[arg-type]  # bytes go through as they are
            headers={"Content-Type": self.payloads.content_type, "Accept-Encoding": "identity"},
            name=self.plan.model,
            catch_response=True,
        ) as response:
            answer = self._read(self.clock.now(), response)
            response.request_meta["response_time"] = (answer.done - intended) / 1000
            if answer.outcome != OK:
                response.failure(answer.problem)
        self.recorder.add(intended=intended, sent=sent, warmup=warmup, position=position, answer=answer)

    def _read(self, done: int, response: Any) -> Answer:
        if not response.status_code:
            return no_answer(done, response.error)
        return read_answer(done, response.status_code, response.content, response.headers)

    def _stop(self, **_: Any) -> None:
        self.stopping = True


def _planned(order: Order) -> tuple[Plan, Payloads]:
    return order.plan, read_payloads(order.payloads)


def _by_hand(options: Any) -> tuple[Plan, Payloads]:
    images, labels = Split.find(Path(options.images) / FOLDER / options.split).load()
    query = f"?model={options.model}" if options.model else ""
    plan = Plan(name="by-hand", model=options.model or "default", arrival="poisson", rate=options.rate,
                seconds=options.seconds, warmup=0.0, seed=options.load_seed, path=f"/predict{query}")
    return plan, encode("png", images, labels, limit=2000, seed=options.load_seed)
