"""What stands behind a name: a model, or a route that runs one or two and compares a third.

A champion is another name for a model. A shadow gets its copy of a share of the requests after their answer is on its
way, on one thread of the lowest priority that holds a few requests at most; with more work than threads it is the
first to be dropped. A cascade asks its small model first, and its large one for the images of which that is not sure.
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from starlette.types import Receive

from service.metrics import Metrics
from service.problems import Problem
from service.routebook import Route, RouteBook, Shadow
from service.shelf import Entry, Opened, Shelf
from service.visit import Visit

if TYPE_CHECKING:
    from service.state import State

SHADOW_WAITING = 8  # requests; what waits keeps its images in memory
LOWEST_PRIORITY = 19


@dataclass(frozen=True)
class Plan:
    """`opened` answers, or of a cascade is asked first; `large` and `threshold` are a cascade's."""

    opened: Opened
    route: str | None = None
    large: Opened | None = None
    threshold: float = 0.0
    shadow: Shadow | None = None


@dataclass(frozen=True)
class Answered:
    """Probabilities (n, classes), and for which images the large model gave them."""

    probabilities: NDArray[np.float32]
    by_large: NDArray[np.bool_] | None = None

    def models(self, plan: Plan) -> list[str] | None:
        """Which model answered each image of a cascade; None where there is only one."""
        if plan.large is None or self.by_large is None:
            return None
        names = plan.opened.card.id, plan.large.card.id
        return [names[large] for large in self.by_large.tolist()]


def front(shelf: Shelf, book: RouteBook, wanted: str | None) -> Entry:
    """The ready entry that a name leads to first: a model, a route's champion, or the small model of a cascade."""
    name = wanted or shelf.default()
    route = book.routes.get(name) if name else None
    if name is None or route is None:
        return shelf.find(wanted)
    return _member(shelf, name, route.cascade.small if route.cascade else _champion(route))


async def plan_for(
    state: State, wanted: str | None, runtime: str | None, visit: Visit, *, deadline_ns: int | None = None
) -> Plan:
    """Everything an answer will need, opened; what is wrong with a route is "not-ready"."""
    opener = partial(state.opener.open, runtime=runtime, watch=visit.watch, deadline_ns=deadline_ns)
    name = wanted or state.shelf.default()
    route = state.book.routes.get(name) if name else None
    opened = await opener(front(state.shelf, state.book, wanted))
    visit.model, visit.runtime = opened.card.id, opened.run.name
    if name is None or route is None:
        return Plan(opened)
    if route.cascade is None:
        return Plan(opened, name, shadow=route.shadow)
    large = await opener(_member(state.shelf, name, route.cascade.large))
    if mismatch := differ(opened, large):
        raise Problem("not-ready", f"route {name}: {mismatch}", field="model")
    return Plan(opened, name, large, route.cascade.threshold)


def differ(one: Opened, other: Opened) -> str | None:
    """Why two models cannot stand for each other, or None."""
    if one.card.input.shape != other.card.input.shape:
        return f"{one.card.id} takes {one.card.input.shape}, {other.card.id} takes {other.card.input.shape}"
    if one.card.classes != other.card.classes:
        return f"{one.card.id} and {other.card.id} do not have the same classes in the same order"
    return None


async def classify(
    state: State, plan: Plan, images: NDArray[np.uint8], visit: Visit, *, deadline_ns: int | None = None,
    receive: Receive | None = None,
) -> Answered:
    """Run a plan on images (n, height, width, channels) that fit its models; see Dispatch.infer."""
    infer = partial(state.dispatch.infer, watch=visit.watch, deadline_ns=deadline_ns, receive=receive)
    probabilities = await infer(plan.opened, images)
    if plan.route is None:
        return Answered(probabilities)
    unsure = None
    if plan.large is not None:
        unsure = ~(probabilities.max(axis=1) >= plan.threshold)  # NaN is unsure
        if unsure.any():
            probabilities = probabilities.copy()
            probabilities[unsure] = await infer(plan.large, images[unsure])
    _count(state.metrics, plan, len(images), 0 if unsure is None else int(unsure.sum()))
    if plan.shadow is not None:
        busy = state.dispatch.waiting > 0 or any(state.dispatch.depth().values())
        state.shadows.offer(plan.route, plan.shadow, plan.opened, images, probabilities, busy=busy)
    return Answered(probabilities, unsure)


class Cascaded:
    """A cascade as one runtime, for those who want all of it in one thread: scoring, and choosing a threshold."""

    def __init__(self, small: Opened, large: Opened, threshold: float) -> None:
        self.name, self.version, self.device = small.run.name, small.run.version, small.run.device
        self.threads = small.run.threads
        self._small, self._large, self._threshold = small.run, large.run, threshold

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (n, classes)."""
        probabilities = self._small(images)
        unsure = ~(probabilities.max(axis=1) >= self._threshold)
        if unsure.any():
            probabilities[unsure] = self._large(images[unsure])
        return probabilities


def composed(state: State, wanted: str | None, runtime: str | None) -> tuple[Opened, str | None]:
    """What a name stands for as one opened model, and the route's name where it is one. May block."""
    name = wanted or state.shelf.default()
    route = state.book.routes.get(name) if name else None
    opened = state.shelf.open(front(state.shelf, state.book, wanted), runtime)
    if name is None or route is None or route.cascade is None:
        return opened, name if route else None
    large = state.shelf.open(_member(state.shelf, name, route.cascade.large), runtime)
    if mismatch := differ(opened, large):
        raise Problem("not-ready", f"route {name}: {mismatch}", field="model")
    return Opened(opened.card, Cascaded(opened, large, route.cascade.threshold), opened.image_s), name


class Shadows:
    """The challengers of one worker: counts how often they agree with the champion, and never keeps it waiting."""

    def __init__(self, shelf: Shelf, metrics: Metrics) -> None:
        self._shelf = shelf
        self._metrics = metrics
        self._credit: dict[str, float] = {}
        self._waiting = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow", initializer=_step_back)

    def offer(
        self, route: str, shadow: Shadow, champion: Opened, images: NDArray[np.uint8],
        probabilities: NDArray[np.float32], *, busy: bool,
    ) -> None:
        """Compare this request if it is one of the shadow's share and there is time; returns at once."""
        credit = self._credit.get(route, 0.0) + shadow.share
        self._credit[route] = credit - (credit >= 1)
        if credit < 1:
            return
        if busy or self._waiting >= SHADOW_WAITING:
            self._count(route, shadow, "dropped", len(images))
            return
        with self._lock:
            self._waiting += 1
        self._pool.submit(self._compare, route, shadow, champion, images, probabilities.argmax(axis=1))

    def close(self) -> None:
        """Drop what has not started."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _compare(
        self, route: str, shadow: Shadow, champion: Opened, images: NDArray[np.uint8], answers: NDArray[np.int64]
    ) -> None:
        try:
            challenger = self._shelf.open(self._shelf.find(shadow.model), None)
            if differ(champion, challenger):
                self._count(route, shadow, "failed", len(images))
                return
            agreed = int((challenger.run(images).argmax(axis=1) == answers).sum())
            self._count(route, shadow, "agreed", agreed)
            self._count(route, shadow, "differed", len(images) - agreed)
        except Exception:  # noqa: BLE001 - a challenger may fail as it likes; it is counted
            self._count(route, shadow, "failed", len(images))
        finally:
            with self._lock:
                self._waiting -= 1

    def _count(self, route: str, shadow: Shadow, outcome: str, images: int) -> None:
        self._metrics.shadow_images.labels(route, shadow.model, outcome).inc(images)


def _count(metrics: Metrics, plan: Plan, images: int, by_large: int) -> None:
    assert plan.route is not None
    part = "champion" if plan.large is None else "small"
    metrics.route_images.labels(plan.route, part, plan.opened.card.id).inc(images - by_large)
    if plan.large is not None:
        metrics.route_images.labels(plan.route, "large", plan.large.card.id).inc(by_large)
        ran_s = images * plan.opened.image_s + by_large * plan.large.image_s
        metrics.route_seconds.labels(plan.route, "cascade").inc(ran_s)
        metrics.route_seconds.labels(plan.route, "large").inc(images * plan.large.image_s)


def _champion(route: Route) -> str:
    assert route.champion is not None
    return route.champion


def _member(shelf: Shelf, route: str, wanted: str) -> Entry:
    try:
        return shelf.find(wanted)
    except Problem as problem:  # the client named a route that exists: it is not for the client to cure
        raise Problem("not-ready", f"route {route}: {problem.detail}", field="model") from problem


def _step_back() -> None:
    """Let every other thread of this process go first; Linux takes a thread's number where others take a process's."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
