"""What Prometheus may read at /metrics: our own few series, with labels that cannot grow without bound.

`route` is the template of the route and never the path that was asked for; `model` and `runtime` are set only after
they were found on the shelf. Workers count in shared memory (`counters.py`), so the answer of any worker is the exact
sum over all of them, dead ones included. They do so in a folder of their server beside PROMETHEUS_MULTIPROC_DIR, which
BentoML makes for them: the next server with the same BENTOML_HOME empties that one. `FAMILIES` is the whole list.

A counter that is born with its first event has no rate: Prometheus sees no step, and the first burst of errors goes
unseen. So what people are woken for is there from the start, at 0.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from service import parent
from service.counters import UNTOLD, Counters, Kind, Labels, remove
from service.problems import PROBLEMS
from service.stopwatch import STAGES
from service.visit import Visit

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000)
NANOSECONDS = tuple(int(bound * 1e9) for bound in SECONDS)
USUAL = (200, 400, 401, 404, 408, 413, 415, 422, 500, 503, 504)    # statuses of /predict
WAKING = ("internal-error", "overloaded", "answer-timeout")          # problems after a model was found that are ours
REASONS = ("bad-request", "head-too-large", "read-timeout", "silence")  # to refuse a connection: problems, or none
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # the client library's name; BentoML sets it


@dataclass(frozen=True)
class Family:
    """One metric. Histograms have `buckets`; `kind` says how the workers' gauges become one."""

    name: str
    help: str
    labels: Labels = ()
    kind: Kind = "counter"
    buckets: tuple[float, ...] = ()


FAMILIES: tuple[Family, ...] = (
    Family("weighbridge_requests_total", "Requests answered.", ("route", "method", "status")),
    Family("weighbridge_request_seconds", "From the request's first byte to the answer's first byte.", ("route",),
           buckets=SECONDS),
    Family("weighbridge_stage_seconds", "Parts of a request; see Server-Timing.", ("stage", "model", "runtime"),
           buckets=SECONDS),
    Family("weighbridge_images", "Images in one request.", ("model", "runtime"), buckets=SIZES),
    Family("weighbridge_batch_images", "Images in one call of the runtime, which several requests may share.",
           ("model", "runtime"), buckets=SIZES),
    Family("weighbridge_problems_total", "Requests refused, by the last part of the problem's type.", ("problem",)),
    Family("weighbridge_refused_total", "Requests refused after their model was found.", ("model", "problem")),
    Family("weighbridge_connections_refused_total", "Connections closed before they had sent a request.", ("reason",)),
    Family("weighbridge_requests_in_flight", "Requests being answered.", kind="sum"),
    Family("weighbridge_queue_depth", "Requests waiting for a model, once a second.", ("model", "runtime"), "sum"),
    Family("weighbridge_model_ready", "1 where the model version passed its golden vectors, in every worker.",
           ("model",), "min"),
    Family("weighbridge_routes_valid", "1 where the file of routes is in force as it is, or there is none, in every "
           "worker.", kind="min"),
    Family("weighbridge_route_images_total", "Images that came through a route, by the model that answered.",
           ("route", "part", "model")),
    Family("weighbridge_route_seconds_total",
           "Expected time in the runtime: of what a cascade ran, and of its large model for the same images.",
           ("route", "of")),
    Family("weighbridge_shadow_images_total", "Images offered to a challenger: agreed, differed, dropped or failed.",
           ("route", "model", "outcome")),
    Family("weighbridge_log_dropped_total", "Requests whose log line or trace was dropped, there being too many."),
    Family("weighbridge_worker_starts_total", "Workers that began to count; more than there are means some ended."),
    Family("weighbridge_resident_bytes", "Memory of the workers, once a second.", kind="sum"),
    Family("weighbridge_body_bytes", "Bodies of requests that are held, above 64 KiB each.", kind="sum"),
    Family("weighbridge_workers", "Workers that live.", kind="sum"),
)
BY_NAME = {family.name: family for family in FAMILIES}


class Cell:
    """One series. `inc`, `dec` and `set` may be called by any thread; `observe` by one."""

    __slots__ = ("_bounds", "_counters", "_slot")

    def __init__(self, counters: Counters, family: Family, labels: Labels) -> None:
        self._counters = counters
        self._bounds = family.buckets
        count = len(family.buckets) + 2 if family.buckets else 1  # per bucket, beyond the last, and the sum
        self._slot = counters.slots(family.name, labels, family.kind, count)

    def inc(self, by: float = 1) -> None:
        """Add."""
        counters = self._counters
        with counters.lock:
            counters.values[self._slot] += by

    def dec(self) -> None:
        """Take one away."""
        self.inc(-1)

    def set(self, value: float) -> None:
        """Replace."""
        self._counters.values[self._slot] = value

    def observe(self, value: float) -> None:
        """Count a value into its bucket."""
        values, bounds = self._counters.values, self._bounds
        values[self._slot + bisect_left(bounds, value)] += 1
        values[self._slot + len(bounds) + 1] += value


class Series:
    """All series of one family."""

    def __init__(self, counters: Counters, name: str) -> None:
        self._counters = counters
        self._family = BY_NAME[name]
        self._cells: dict[Labels, Cell] = {}

    def labels(self, *labels: str) -> Cell:
        """The series of these labels, in the order of the family."""
        found = self._cells.get(labels)
        if found is None:
            assert len(labels) == len(self._family.labels), (self._family, labels)
            found = self._cells[labels] = Cell(self._counters, self._family, labels)
        return found

    def inc(self) -> None:
        """Add one, where there are no labels."""
        self.labels().inc()

    def dec(self) -> None:
        """Take one away, where there are no labels."""
        self.labels().dec()


class Metrics(Collector):
    """All series of one worker, and the text of all workers."""

    def __init__(self) -> None:
        told = os.environ.get(MULTIPROCESS_DIR)
        self._beside = Path(told) if told else None
        folder = Path(f"{told}-{parent.name()}") if told else None
        self.seen: set[str] = set()  # models whose readiness was told
        self.counters = counters = Counters(folder)
        self.requests = Series(counters, "weighbridge_requests_total")
        self.seconds = Series(counters, "weighbridge_request_seconds")
        self.stages = Series(counters, "weighbridge_stage_seconds")
        self.images = Series(counters, "weighbridge_images")
        self.batches = Series(counters, "weighbridge_batch_images")
        self.problems = Series(counters, "weighbridge_problems_total")
        self.refused = Series(counters, "weighbridge_refused_total")
        self.connections = Series(counters, "weighbridge_connections_refused_total")
        self.in_flight = Series(counters, "weighbridge_requests_in_flight")
        self.queued = Series(counters, "weighbridge_queue_depth")
        self.ready = Series(counters, "weighbridge_model_ready")
        self.routes_valid = Series(counters, "weighbridge_routes_valid")
        self.route_images = Series(counters, "weighbridge_route_images_total")
        self.route_seconds = Series(counters, "weighbridge_route_seconds_total")
        self.shadow_images = Series(counters, "weighbridge_shadow_images_total")
        self.log_dropped = Series(counters, "weighbridge_log_dropped_total")
        self.starts = Series(counters, "weighbridge_worker_starts_total")
        self.bodies = Series(counters, "weighbridge_body_bytes")
        self.memory = Series(counters, "weighbridge_resident_bytes")
        self._answered: dict[tuple[str, str, int], tuple[int, int]] = {}
        self._staged: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}

    def observe(self, visit: Visit, route: str, method: str) -> None:
        """Count a finished request. Event loop only."""
        ns = visit.watch.ns
        key = route, method, visit.status
        try:
            count, seconds = self._answered[key]
        except KeyError:
            count, seconds = self._answered[key] = (
                self.requests.labels(route, method, str(visit.status))._slot, self.seconds.labels(route)._slot,
            )
        values = self.counters.values
        values[count] += 1
        total = sum(ns.values())
        values[seconds + bisect_left(NANOSECONDS, total)] += 1
        values[seconds + len(SECONDS) + 1] += total / 1e9
        if visit.images and visit.model is not None and visit.runtime is not None:
            if visit.status < REFUSED:
                self._observe_stages(ns, visit.images, visit.model, visit.runtime)
            elif waited := ns["queue"]:
                # An autoscaler that adds up the time in the queue must see those who waited for nothing.
                self._stages_of(visit.model, visit.runtime)[STAGES.index("queue")].observe(waited / 1e9)

    def _stages_of(self, model: str, runtime: str) -> list[Cell]:
        return [self.stages.labels(stage, model, runtime) for stage in STAGES]

    def _observe_stages(self, ns: dict[str, int], images: int, model: str, runtime: str) -> None:
        try:
            sizes, stages = self._staged[model, runtime]
        except KeyError:
            cells = self._stages_of(model, runtime)
            sizes, stages = self._staged[model, runtime] = (
                self.images.labels(model, runtime)._slot, tuple(cell._slot for cell in cells),
            )  # not always in a row: another thread may have counted something for the first time in between
        values = self.counters.values
        values[sizes + bisect_left(SIZES, images)] += 1
        values[sizes + len(SIZES) + 1] += images
        for stage, took in zip(stages, ns.values(), strict=True):
            values[stage + bisect_left(NANOSECONDS, took)] += 1
            values[stage + len(SECONDS) + 1] += took / 1e9

    def started(self) -> None:
        """This worker counts from now on, and what ended servers have counted is removed."""
        if self._beside is not None:
            mine = f"{self._beside.name}-"
            for left in self._beside.parent.glob(f"{mine}*-*"):
                if not parent.lives(left.name.removeprefix(mine)):
                    remove(left)
        self.starts.inc()
        self.bodies.labels().set(0)  # none yet, which is not the same as not known
        self.log_dropped.labels()
        for problem in PROBLEMS:
            self.problems.labels(problem)
        for reason in REASONS:
            self.connections.labels(reason)
        for status in USUAL:
            self.requests.labels("/predict", "POST", str(status))

    def tell_ready(self, found: dict[str, bool]) -> None:
        """Which model versions are ready, of all that are wanted; others are told of no more."""
        for model in found.keys() - self.seen:
            for problem in WAKING:
                self.refused.labels(model, problem)
        self.seen |= found.keys()
        for model in self.seen:
            self.ready.labels(model).set(found.get(model, UNTOLD))

    def beat(self, waiting: dict[tuple[str, str], int]) -> None:
        """What changes without anybody counting: requests that wait by (model, runtime), and memory."""
        for labels, depth in waiting.items():
            self.queued.labels(*labels).set(depth)
        for known, cell in self.queued._cells.items():
            if known not in waiting:
                cell.set(0)
        self.memory.labels().set(_resident_bytes())

    def collect(self) -> Iterator[Metric]:
        """Every family over all workers, whether it has a series yet or not."""
        found, workers = self.counters.read()
        found["weighbridge_workers", ()] = [workers]
        for family in FAMILIES:
            yield _rendered(family, {key[1]: numbers for key, numbers in found.items() if key[0] == family.name})

    def text(self) -> bytes:
        """The exposition format."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)

    def describe(self) -> list[Metric]:
        """Nothing: the registry would only look for duplicates."""
        return []


REFUSED = 400  # a status from here on: whatever was decoded, no answer came of it


def _rendered(family: Family, series: dict[Labels, list[float]]) -> Metric:
    ordered = [(list(labels), numbers) for labels, numbers in sorted(series.items())]
    if family.buckets:
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        bounds = [*(f"{float(bound)}" for bound in family.buckets), "+Inf"]
        for labels, numbers in ordered:
            seen, buckets = 0.0, []
            for bound, count in zip(bounds, numbers, strict=False):
                seen += count
                buckets.append((bound, seen))
            histogram.add_metric(labels, buckets, numbers[-1])
        return histogram
    kind = CounterMetricFamily if family.name.endswith("_total") else GaugeMetricFamily
    metric: CounterMetricFamily | GaugeMetricFamily = kind(family.name, family.help, labels=family.labels)
    for labels, numbers in ordered:
        metric.add_metric(labels, numbers[0])
    return metric


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
