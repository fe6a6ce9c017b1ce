"""GET /live: what the page needs once a second, as small JSON: the numbers of /metrics, over all workers.

Histograms come as they are counted (per bucket, the last one without an upper bound): who wants rates or percentiles of
a time span takes the difference of two answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.counters import Found
from service.metrics import SECONDS, SIZES, Metrics
from service.settings import Settings
from service.state import state_of
from service.wire import LiveModel, LiveState

PREDICTING = ("/predict", "/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer")


async def live(request: Request) -> Response:
    """Answer GET /live."""
    state = state_of(request)
    found = await run_in_threadpool(numbers, state.metrics, state.settings)
    return Response(found.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"})


def numbers(metrics: Metrics, settings: Settings) -> LiveState:
    """Everything counted so far, read from the shared memory of the workers; a millisecond or so."""
    found, workers = metrics.counters.read()

    def rows(name: str) -> Iterable[tuple[tuple[str, ...], list[float]]]:
        return ((key[1], values) for key, values in found.items() if key[0] == f"weighbridge_{name}")

    def counted(name: str) -> Iterable[tuple[tuple[str, ...], int]]:
        """What happened at all: many counters are there before their first event."""
        return ((labels, int(values[0])) for labels, values in rows(name) if values[0])

    statuses: dict[str, int] = {}
    for (route, _, status), count in counted("requests_total"):
        if route in PREDICTING:
            statuses[status] = statuses.get(status, 0) + count
    seconds = [0] * (len(SECONDS) + 1)
    for (route,), values in rows("request_seconds"):
        if route in PREDICTING:
            seconds = [one + int(other) for one, other in zip(seconds, values, strict=False)]
    models: dict[tuple[str, str], LiveModel] = {
        (model, runtime): LiveModel(
            model=model, runtime=runtime, requests=int(sum(values[:-1])), images=int(values[-1]),
            infer=_buckets(found, ("infer", model, runtime)), queue=_buckets(found, ("queue", model, runtime)),
        )
        for (model, runtime), values in rows("images")
    }
    for key, values in rows("queue_depth"):
        if (each := models.get((key[0], key[1]))) is not None:
            each.waiting = int(values[0])
    for key, values in rows("batch_images"):
        if (each := models.get((key[0], key[1]))) is not None:
            each.batches, each.batched = [int(value) for value in values[:-1]], int(values[-1])
    refused: dict[str, dict[str, int]] = {}
    for (model, problem), count in counted("refused_total"):
        refused.setdefault(model, {})[problem] = count
    return LiveState(
        at=time.time(), workers=workers, in_flight=_gauge(found, "requests_in_flight"),
        resident_bytes=_gauge(found, "resident_bytes"), load_offered=offers_load(settings),
        second_bounds=list(SECONDS), size_bounds=list(SIZES), statuses=statuses, seconds=seconds,
        models=sorted(models.values(), key=lambda each: (each.model, each.runtime)), refused=refused,
        problems={problem: count for (problem,), count in counted("problems_total")},
    )


def offers_load(settings: Settings) -> bool:
    """Whether the page may offer a load: as the operator says, else where no keys are wanted."""
    return settings.api_keys is None if settings.page_load is None else settings.page_load


def _buckets(found: Found, labels: tuple[str, ...]) -> list[int]:
    return [int(value) for value in found.get(("weighbridge_stage_seconds", labels), [0.0])[:-1]]


def _gauge(found: Found, name: str) -> int:
    return int(found.get((f"weighbridge_{name}", ()), [0.0])[0])
