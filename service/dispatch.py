"""Where work runs: on the event loop when a thread hop would cost more than the work, else on a few threads.

A model that is quick and gains nothing from company runs on the event loop, without a queue; where company could pay, a
worker with one core to itself tries which is cheaper (`joining.py`). Any other has a lane (`lanes.py`): requests wait
there for one turn of the loop, so that those which came together go together, and whenever a thread gets free it takes
what waits by then, as far as a larger batch was measured to be quicker. Nothing waits for company while a thread is
idle, unless `max_wait_ms` says so. Threads go to the lane that has had the least of them.

A request that was given up, or whose deadline has passed, leaves its lane and never reaches the model; what a thread
does for it already ends with the image, or the call of the model, that it is at. A batch that fails is run again one
request at a time, so that only the guilty one fails.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.cpu import usable_cores
from service.gone import NEVER, Stopped, left, unless_left
from service.lanes import FORGET, Job, Lane, Late
from service.problems import Problem
from service.settings import Settings
from service.shelf import Opened
from service.stopwatch import Stopwatch

T = TypeVar("T")
Batch = tuple[Lane, list[Job], int]  # the int: images per call
SWITCH_S = 0.0005
ALONE_S = 0.02  # a worker with one core to itself gains nothing from threads, up to what may hold up its event loop
CLOSE_S = 1.0  # that threads have to end, once nobody waits for what they do
WATCH_AFTER_S = 0.05  # most answers are ready before it is worth asking whether the client is still there


class Dispatch:
    """The threads of one worker, and what waits for them. Used from the event loop only.

    `waiting` counts requests whose body or images are being taken apart on a thread.
    """

    def __init__(self, settings: Settings) -> None:
        self.waiting = 0
        self.hearer: Callable[[Opened], Callable[[int], None]] = _nobody  # who hears of every call, per opened model
        self._threads = settings.concurrency
        self._alone = usable_cores() <= settings.workers and settings.inline_ms > 0
        self._inline_s = max(settings.inline_ms / 1000, ALONE_S if self._alone else 0.0)
        self._max_waiting = settings.max_waiting
        self._max_batch = settings.max_batch
        self._max_wait_s = settings.max_wait_ms / 1000
        self._timeout_s = settings.timeout_s
        self._tries = self._alone and not self._max_wait_s
        self._newest: Lane | None = None   # that was asked for last
        self._mean_s = 0.0  # of recent jobs, for Retry-After
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        self._lanes: dict[int, Lane] = {}  # by id of the opened model
        self._active: set[Lane] = set()    # lanes in which something waits
        self._free = self._threads
        self._pumping = False              # a turn of `_pump` is scheduled
        self._wake: asyncio.TimerHandle | None = None
        self._now_s = 0.0                  # thread time that a lane starts from: that of the least served active lane
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._runners: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def lane(self, opened: Opened) -> Lane:
        """The lane of an opened model."""
        lane = self._lanes.get(id(opened))
        if lane is None or lane.opened is not opened:
            key = opened.card.id, opened.run.name
            self._lanes = {  # a version that was loaded anew replaces its former self
                place: other for place, other in self._lanes.items()
                if (other.opened.card.id, other.opened.run.name) != key or other.queue
            }
            lane = self._lanes[id(opened)] = Lane(opened, self._max_batch, self.hearer(opened))
        return lane

    def keep(self, opened: Collection[Opened]) -> None:
        """Forget the lanes of models that left the shelf, once nothing waits in them; their memory goes with them."""
        kept = set(map(id, opened))
        self._lanes = {place: lane for place, lane in self._lanes.items() if place in kept or lane.queue}
        self._newest = None

    def depth(self) -> dict[tuple[str, str], int]:
        """Requests that wait, by (model, runtime)."""
        return {(lane.opened.card.id, lane.opened.run.name): len(lane.queue) for lane in self._lanes.values()}

    async def infer(
        self,
        opened: Opened,
        images: NDArray[np.uint8],
        watch: Stopwatch,
        *,
        deadline_ns: int | None = None,
        receive: Receive | None = None,
    ) -> NDArray[np.float32]:
        """Probabilities (n, classes) for images (n, height, width, channels) that fit the model.

        Problem "answer-timeout" when the deadline (of perf_counter_ns) passes, "overloaded" when too much waits
        already. With `receive`, a client that leaves meanwhile ends the wait with ClientDisconnect.
        """
        if deadline_ns is not None and time.perf_counter_ns() >= deadline_ns:
            raise self._late(deadline_ns, watch)
        lane = self.lane(opened)
        count = len(images)
        if self._tries and lane is not self._newest:
            lane.joining.restart()  # its window holds work for another
            self._newest = lane
        if not lane.queue and not self._joins(lane, count) and lane.curve.expected_s(count) <= self._inline_s:
            part = lane.curve.part(count) if count > 1 else 1
            began = time.perf_counter_ns()
            result = _in_parts(opened, images, part)
            watch.mark("infer")
            self._learn(lane, 1, count, part, (time.perf_counter_ns() - began) / 1e9)
            return result
        if len(lane.queue) >= self._max_waiting:
            raise self._overloaded(lane)
        return await self._wait(lane, images, watch, deadline_ns, receive)

    def _joins(self, lane: Lane, count: int) -> bool:
        """Whether a request of `count` images should wait a turn of the loop for others to go with."""
        if count >= self._max_batch:
            return False
        if not lane.curve.pays():
            lane.curve.pass_over()
            return False
        return not self._tries or lane.joining.now

    def _learn(self, lane: Lane, requests: int, images: int, part: int, seconds: float) -> None:
        lane.curve.learn(part, seconds * part / images)
        for first in range(0, images, part):
            lane.called(min(part, images - first))
        if not self._tries:
            return
        if (requests == 1 and images >= self._max_batch) or not lane.curve.pays():  # it could not have joined others
            lane.joining.restart()
        else:
            lane.joining.served(requests)

    async def _wait(
        self, lane: Lane, images: NDArray[np.uint8], watch: Stopwatch, deadline_ns: int | None, receive: Receive | None
    ) -> NDArray[np.float32]:
        loop = self._loop = asyncio.get_running_loop()
        ends_ns = deadline_ns or time.perf_counter_ns() + int(self._timeout_s * 1e9)
        job = Job(images, loop.create_future(), ends_ns)
        if not lane.queue:
            lane.served_s = max(lane.served_s, self._now_s)  # a lane that slept has not saved up turns
            self._active.add(lane)
        lane.add(job)
        self._pump_soon()
        job.alarm = loop.call_later(WATCH_AFTER_S, self._watch, lane, job, receive)
        try:
            result, started, ended, batch = await job.future
        except BaseException as error:
            if job.started_ns is not None:
                watch.mark("queue", job.started_ns)
            watch.mark("queue" if job.started_ns is None else "infer")  # else the time would go to whoever marks next
            if isinstance(error, Late):
                raise self._late(ends_ns, watch) from None
            raise
        finally:
            lane.drop(job)
            job.alarm.cancel()
            if job.watcher is not None:
                job.watcher.cancel()
                job.watcher = None  # what it ends with refers to the job: together they would outlive their model
        watch.mark("queue", started)
        watch.mark("infer", ended)
        watch.mark("queue")
        watch.batch = batch
        return result  # type: ignore[no-any-return]

    def _watch(self, lane: Lane, job: Job, receive: Receive | None) -> None:
        """This takes long: wait for the deadline, and for the client to leave."""
        loop = asyncio.get_running_loop()

        def late() -> None:
            lane.drop(job)
            if not job.future.done():
                job.future.set_exception(Late())

        async def gone() -> None:
            assert receive is not None
            await left(receive)
            lane.drop(job)
            if not job.future.done():
                job.future.set_exception(ClientDisconnect())

        job.alarm = loop.call_later(max(0, job.deadline_ns - time.perf_counter_ns()) / 1e9, late)
        if receive is not None:
            job.watcher = loop.create_task(gone())

    def _pump_soon(self) -> None:
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Hand batches to threads as long as there are both."""
        self._pumping = False
        while self._free and self._active:
            ready = [lane for lane in self._active if not self._waits_on(lane)] if self._max_wait_s else self._active
            if not ready:
                return
            lane = min(ready, key=lambda each: each.served_s)
            self._now_s = lane.served_s
            # Idle threads share what waits; a worker with one core works through it on the event loop.
            fair = lane.images if self._alone else math.ceil(lane.images / self._free)
            limit = lane.curve.limit(min(fair, self._max_batch), forget=FORGET)
            batch = self._alive(lane.take(limit))
            if not lane.queue:
                self._active.discard(lane)
            if not batch:
                continue
            count = sum(job.count for job in batch)
            part = lane.curve.part(count) if len(batch) == 1 else count
            expected_s = lane.curve.expected_s(count)
            lane.served_s += expected_s
            if expected_s <= self._inline_s and (self._alone or not self._active):
                self._done(lane, batch, part, *_run(lane, batch, part), pump=False)
                if self._active:
                    self._pump_soon()
                return
            self._free -= 1
            if not self._runners:
                self._start()
            self._batches.put((lane, batch, part))

    def _waits_on(self, lane: Lane) -> bool:
        """Whether a lane that could still fill a better batch should give it the time to."""
        first = next(iter(lane.queue), None)
        wanted = lane.curve.limit(self._max_batch)
        if first is None or lane.images >= wanted or not lane.curve.pays():
            return False
        waited_s = (time.perf_counter_ns() - first.entered_ns) / 1e9
        if waited_s >= self._max_wait_s:
            return False
        if self._wake is None:
            self._wake = asyncio.get_running_loop().call_later(self._max_wait_s - waited_s, self._wake_up)
        return True

    def _wake_up(self) -> None:
        self._wake = None
        self._pump_soon()

    def _alive(self, batch: list[Job]) -> list[Job]:
        now = time.perf_counter_ns()
        for job in batch:
            if job.deadline_ns <= now and not job.future.done():
                job.future.set_exception(Late())
        return [job for job in batch if not job.future.done()]

    def _done(
        self, lane: Lane, batch: list[Job], part: int, results: list[Any], started: int, ended: int, *,
        pump: bool = True
    ) -> None:
        if not any(isinstance(result, Exception) for result in results):  # how long failing takes says nothing
            self._learn(lane, len(batch), sum(job.count for job in batch), part, (ended - started) / 1e9)
        for job, result in zip(batch, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result((result, started, ended, part))
        if pump:
            self._free += 1
            if self._active:
                self._pump_soon()

    def _start(self) -> None:
        # A call that has ended must not wait the usual 5 ms for the event loop to let go of the interpreter.
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        for place in range(self._threads):
            runner = threading.Thread(target=self._runs, name=f"infer-{place}", daemon=True)
            runner.start()
            self._runners.append(runner)

    def _runs(self) -> None:
        while (task := self._batches.get()) is not None:
            lane, batch, part = task
            found = _run(lane, batch, part)
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(self._done, lane, batch, part, *found)
            except RuntimeError:  # the loop is closed: nobody waits any more
                return
            del task, lane, batch, found  # an idle thread must not keep a model that left

    async def call(
        self,
        work: Callable[[threading.Event], T],
        expected_s: float,
        stage: str,
        watch: Stopwatch,
        *,
        deadline_ns: int | None = None,
        receive: Receive | None = None,
    ) -> T:
        """Run `work`; its time goes to `stage`, the wait for a thread and for the event loop to "queue".

        Problem "overloaded" when too much waits already, "answer-timeout" when the result takes too long, or longer
        than to the deadline (of perf_counter_ns). With `receive`, a client that leaves meanwhile ends the wait with
        ClientDisconnect. The event that work is given says that nothing waits for it any more.
        """
        now = time.perf_counter_ns()
        if deadline_ns is not None and now >= deadline_ns:
            raise self._late(deadline_ns, watch)
        if expected_s <= self._inline_s:
            result = work(NEVER)
            watch.mark(stage)
            return result
        if self.waiting >= self._max_waiting:
            raise self._overloaded(None)
        stop, begun = threading.Event(), list[int]()
        left_s = self._timeout_s if deadline_ns is None else (deadline_ns - now) / 1e9

        def timed() -> tuple[T, int]:
            begun.append(time.perf_counter_ns())
            return work(stop), time.perf_counter_ns()

        self.waiting += 1
        try:
            async with asyncio.timeout(left_s):
                wanted = asyncio.get_running_loop().run_in_executor(self._pool, timed)
                result, ended = await (wanted if receive is None else unless_left(wanted, receive, WATCH_AFTER_S))
        except BaseException as error:
            if begun:
                watch.mark("queue", begun[0])
            watch.mark(stage if begun else "queue")  # else the time would go to whoever marks next
            if isinstance(error, TimeoutError):
                raise self._late(deadline_ns or watch.started + int(self._timeout_s * 1e9), watch) from None
            raise
        finally:
            self.waiting -= 1
            stop.set()
        self._mean_s += 0.1 * ((ended - begun[0]) / 1e9 - self._mean_s)
        watch.mark("queue", begun[0])
        watch.mark(stage, ended)
        watch.mark("queue")
        return result

    def close(self) -> None:
        """Let running work end, for CLOSE_S at most, and drop what has not started. Blocks."""
        for _ in self._runners:
            self._batches.put(None)
        closing = threading.Thread(target=self._pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
        closing.start()
        ends = time.monotonic() + CLOSE_S
        for thread in (*self._runners, closing):
            thread.join(max(0.0, ends - time.monotonic()))

    def _late(self, deadline_ns: int, watch: Stopwatch) -> Problem:
        limit_s = round((deadline_ns - watch.started) / 1e9, 3)
        return Problem(
            "answer-timeout",
            f"no result after {limit_s:g} s",
            limit=limit_s,
            cure="send fewer images at once, allow more time with the header Request-Timeout, or raise "
            "WEIGHBRIDGE_TIMEOUT_S on the server",
        )

    def _overloaded(self, lane: Lane | None) -> Problem:
        waiting = self.waiting if lane is None else len(lane.queue)
        left_s = self.waiting * self._mean_s + sum(each.backlog_s() for each in self._active)
        drain_s = max(1, math.ceil(left_s / (1 if self._alone else self._threads)))
        return Problem(
            "overloaded",
            f"{waiting} requests are waiting for {self._threads} threads",
            limit=self._max_waiting,
            cure=f"try again in {drain_s} s",
            retry_after_s=drain_s,
        )


def _nobody(_: Opened) -> Callable[[int], None]:
    """No one listens."""
    return lambda _: None


def _in_parts(
    opened: Opened, images: NDArray[np.uint8], part: int, batch: Sequence[Job] = ()
) -> NDArray[np.float32]:
    """Probabilities (n, classes) in calls of `part` images, the last one perhaps of fewer.

    Stopped between two calls when there are jobs and nobody wants any of them.
    """
    if part >= len(images):
        return opened.run(images)
    found = []
    for first in range(0, len(images), part):
        if batch and all(job.future.done() for job in batch):
            raise Stopped
        found.append(opened.run(images[first : first + part]))
    return np.concatenate(found)


def _run(lane: Lane, batch: list[Job], part: int) -> tuple[list[Any], int, int]:
    """Per job its probabilities or the exception that it alone caused; when it started, when it ended."""
    started = time.perf_counter_ns()
    for job in batch:
        job.started_ns = started
    try:
        counts = [job.count for job in batch]
        images = batch[0].images if len(batch) == 1 else np.concatenate([job.images for job in batch])
        found = _in_parts(lane.opened, images, part, batch)
        if len(found) != sum(counts):
            raise ValueError(f"{sum(counts)} images gave {len(found)} rows")
        results: list[Any] = [found] if len(batch) == 1 else np.split(found, np.cumsum(counts[:-1]))
    except Exception as error:  # noqa: BLE001 - whatever it is, it goes to the request that caused it
        results = [error] if len(batch) == 1 else [_run(lane, [job], job.count)[0][0] for job in batch]
    return results, started, time.perf_counter_ns()
