"""The HTTP application, assembled in one place: ROUTES, wrapped by MIDDLEWARE, around one worker's State."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from service.afterwards import afterwards
from service.board import leaderboard
from service.bodies import Bodies
from service.browse import OPEN, docs, index, openapi, page
from service.catalogue import model, models, picture, splits
from service.evaluate import evaluate
from service.health import beat, livez, metrics, readyz
from service.jobs import answers as jobs
from service.keys import Guarded, Keyring
from service.live import live
from service.look import saliency, see
from service.metrics import Metrics
from service.middleware import Enveloped, Limited, Observed, Short, unrouted
from service.oip import paths as oip
from service.parent import follow
from service.predict import Predict
from service.reload import reload
from service.reports import report, reports
from service.routelist import routes
from service.settings import Settings
from service.state import State

PREDICT = Route("/predict", Predict(), methods=["POST"])
ROUTES = (
    Route("/", index),
    PREDICT,
    Route("/predict/input", see, methods=["POST"]),
    Route("/predict/saliency", saliency, methods=["POST"]),
    Route("/evaluate", evaluate, methods=["POST"]),
    Route("/models", models),
    Route("/routes", routes),
    Route("/models/reload", reload, methods=["POST"]),
    Route("/models/{name}", model),
    Route("/leaderboard", leaderboard),
    Route("/live", live),
    Route("/reports", reports),
    Route("/reports/{run}/{file}", report),
    Route("/splits", splits),
    Route("/splits/{name}/images/{place}.png", picture),
    Route("/docs", docs),
    Route("/docs.json", openapi),
    Route("/pages/{file:path}", page),
    Route("/livez", livez),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
    *jobs.ROUTES,
    *oip.ROUTES,
)


def build(settings: Settings) -> Starlette:
    """The application. Nothing but the API keys is read from disk before its lifespan starts."""
    counters = Metrics()
    bodies = Bodies(settings.bodies_bytes, counters.bodies)
    after = afterwards(settings, counters.log_dropped.inc)
    keyring = None if settings.api_keys is None else Keyring(settings.api_keys)  # a wrong file must stop the start

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        state = app.state.worker = State.of(settings, counters, bodies)
        loading = asyncio.create_task(asyncio.to_thread(state.load))  # /livez and /readyz answer meanwhile
        if settings.workers > 1:
            # Workers share one socket, and uvicorn accepts from it only after this: a worker that is still loading
            # must not take requests that a ready neighbour could answer.
            await asyncio.shield(loading)
        keeping = asyncio.create_task(state.keeper.run())
        beating = asyncio.create_task(beat(state))
        watching = asyncio.create_task(state.desk.watch())
        following = asyncio.create_task(follow())
        yield
        keeping.cancel()
        beating.cancel()
        watching.cancel()
        following.cancel()
        await loading
        await state.close()
        if after is not None:
            await asyncio.to_thread(after.close)

    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(Observed, metrics=counters, after=after),
            Middleware(Enveloped, metrics=counters),
            Middleware(Guarded, settings=settings, keyring=keyring, pages=OPEN),
            Middleware(Limited, settings=settings, bodies=bodies),
            Middleware(Short, route=PREDICT),
        ],
        exception_handlers={HTTPException: unrouted},
        lifespan=lifespan,
    )
    app.state.metrics = counters  # for what is refused before the application is asked
    return app
