"""What Prometheus may read at /metrics: our own few series, with labels that cannot grow without bound.

`route` is the template of the route and never the path that was asked for; `model` and `runtime` are set only after
they were found on the shelf. Where PROMETHEUS_MULTIPROC_DIR is set, as BentoML does for its workers, the client library
keeps every value in a file per process and the answer of any worker is the sum over all of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.stopwatch import STAGES
from service.visit import Visit

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 10_000)
MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"  # the client library's name, decided before it is imported


class Metrics:
    """All series of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[Any, ...], Any] = {}
        self.requests = Counter(
            "weighbridge_requests_total", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "weighbridge_request_seconds", "From the request's first byte to the answer's first byte.", ("route",),
            buckets=SECONDS, registry=self.registry,
        )
        self.stages = Histogram(
            "weighbridge_stage_seconds", "Parts of a request; see Server-Timing.", ("stage", "model", "runtime"),
            buckets=SECONDS, registry=self.registry,
        )
        self.images = Histogram(
            "weighbridge_images", "Images in one request.", ("model", "runtime"), buckets=SIZES, registry=self.registry
        )
        self.problems = Counter(
            "weighbridge_problems_total", "Requests refused, by the last part of the problem's type.", ("problem",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "weighbridge_requests_in_flight", "Requests being answered.", multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.ready = Gauge(
            "weighbridge_model_ready", "1 where the model version passed its golden vectors, in every worker.",
            ("model",), multiprocess_mode="livemin", registry=self.registry,
        )

    def observe(self, visit: Visit, route: str, method: str) -> None:
        """Count a finished request."""
        ns = visit.watch.ns
        self._child(self.requests, route, method, str(visit.status)).inc()
        self._child(self.seconds, route).observe(sum(ns.values()) / 1e9)
        if visit.model is not None and visit.runtime is not None and visit.images:
            self._child(self.images, visit.model, visit.runtime).observe(visit.images)
            for stage in STAGES:
                self._child(self.stages, stage, visit.model, visit.runtime).observe(ns[stage] / 1e9)

    def _child(self, metric: Any, *labels: str) -> Any:
        """The series of these labels; the library's own look-up takes a lock and costs more than counting does."""
        key = metric, *labels
        if key not in self._children:
            self._children[key] = metric.labels(*labels)
        return self._children[key]

    def text(self) -> bytes:
        """The exposition format, over all workers."""
        folder = os.environ.get(MULTIPROCESS_DIR)
        if not folder:
            return generate_latest(self.registry)
        _forget_dead_workers(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """Nobody tells the client library that a worker was killed, so its live gauges would count for ever."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc").exists():
            mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]
