"""The reference: Starlette routes around the session and nothing else. No checks, no limits, no metrics.

It is no limit of what can be reached: JSON is read by the standard library, forms by Starlette, images by Pillow.
"""

from __future__ import annotations

import io
import json

import numpy as np
from PIL import Image
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from benchmarks.peers.servers.model import Model

model = Model()


async def raw(request: Request) -> JSONResponse:
    """Pixels as they are."""
    return JSONResponse(model(np.frombuffer(await request.body(), dtype=np.uint8)))


async def pixels(request: Request) -> JSONResponse:
    """Pixels as nested lists."""
    return JSONResponse(model(np.array(json.loads(await request.body())["images"], dtype=np.uint8)))


async def png(request: Request) -> JSONResponse:
    """One file of a form."""
    async with request.form() as form:
        file = form["image"]
        assert isinstance(file, UploadFile)
        return JSONResponse(model(np.asarray(Image.open(io.BytesIO(await file.read())))))


async def ready(request: Request) -> PlainTextResponse:  # noqa: ARG001 - the signature of a route
    """Answers once the session is open."""
    return PlainTextResponse("ready")


app = Starlette(routes=[
    Route("/ready", ready),
    *(Route(f"/{route.__name__}", route, methods=["POST"]) for route in (raw, pixels, png)),
])
