"""What a model sees of an image, and where it looks: /predict/input and /predict/saliency, for one image each.

The input is the image after decoding and scaling, as PNG: exactly the pixels that enter the graph, whose first step is
the normalisation. The saliency is occlusion (M. D. Zeiler and R. Fergus, 2014): a patch in the colour of the border is
laid over one place after the other, and where it takes most from the probability of the answer, there the model looked.
It needs no gradient, so it is computed by the runtime that serves. Its calls go through the same lanes as /predict, one
batch at a time, and one image at a time per worker, so that it can never fill a queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from service.images import Decoded, png_url
from service.ingress import check_count, expected_s, read_ask
from service.pixels import from_bytes
from service.predict import PARSE_S_PER_BYTE, decoder
from service.problems import Problem
from service.routing import plan_for
from service.shelf import Opened
from service.state import state_of
from service.visit import visit_of
from service.wire import Occlusion, SeenInput, Size

PLACES = 14   # of the patch along a side, at most: 196 runs of the model for one picture
PATCH = 0.2   # of a side

Pixels = NDArray[np.uint8]


async def see(request: Request) -> Response:
    """Answer POST /predict/input."""
    opened, pixels, original, _ = await _one(request)
    height, width, channels = pixels.shape
    found = SeenInput(
        model=opened.card.name, version=opened.card.version, height=height, width=width, channels=channels,
        resized=original is not None, original_size=original, image=png_url(pixels),
    )
    return _json(request, opened, found.model_dump_json(exclude_none=True))


async def saliency(request: Request) -> Response:
    """Answer POST /predict/saliency."""
    state, visit = state_of(request), visit_of(request)
    opened, pixels, _, ends_ns = await _one(request)
    if state.explaining:
        raise Problem("overloaded", "another saliency is being computed", limit=1, cure="try again in 1 s",
                      retry_after_s=1)
    state.explaining = True
    try:
        async def ask(images: Pixels) -> NDArray[np.float32]:
            return await state.dispatch.infer(
                opened, images, visit.watch, deadline_ns=ends_ns, receive=request.receive)

        before = (await ask(pixels[np.newaxis]))[0]
        index = int(before.argmax())
        rows, columns = places(pixels.shape[0]), places(pixels.shape[1])
        size = patch(pixels.shape[0]), patch(pixels.shape[1])
        left = []
        for batch in covered(pixels, rows, columns, size, state.settings.max_batch):
            left.append((await ask(batch))[:, index])
            await asyncio.sleep(0)  # whoever waits for the event loop goes first
    finally:
        state.explaining = False
    drops = (before[index] - np.concatenate(left)).reshape(len(rows), len(columns))
    found = Occlusion(
        model=opened.card.name, version=opened.card.version, runtime=opened.run.name,
        label=opened.card.classes[index], index=index, probability=float(min(1.0, before[index])),
        height=pixels.shape[0], width=pixels.shape[1], patch=list(size), rows=rows, columns=columns,
        drops=[[round(float(drop), 6) for drop in row] for row in drops], runs=drops.size + 1,
    )
    return _json(request, opened, found.model_dump_json())


def patch(side: int) -> int:
    """Pixels of the patch along a side.

    >>> patch(28), patch(4)
    (6, 1)
    """
    return max(1, round(PATCH * side))


def places(side: int) -> list[int]:
    """Where the patch begins along a side, both ends included.

    >>> places(4)
    [0, 1, 2, 3]
    """
    last = side - patch(side)
    return np.unique(np.linspace(0, last, min(PLACES, last + 1)).round().astype(int)).tolist()  # type: ignore[no-any-return]


def covered(
    pixels: Pixels, rows: list[int], columns: list[int], size: tuple[int, int], most: int
) -> Iterator[Pixels]:
    """The image with the patch at every place, row by row, in batches (at most `most`, height, width, channels)."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    fill = np.median(border, axis=0).astype(np.uint8)
    spots = [(row, column) for row in rows for column in columns]
    for first in range(0, len(spots), most):
        part = spots[first : first + most]
        batch = np.repeat(pixels[np.newaxis], len(part), axis=0)
        for image, (row, column) in zip(batch, part, strict=True):
            image[row : row + size[0], column : column + size[1]] = fill
        yield batch


async def _one(request: Request) -> tuple[Opened, Pixels, Size | None, int]:
    """The model, its input (height, width, channels), the size before scaling, and the deadline of perf_counter_ns."""
    state, visit = state_of(request), visit_of(request)
    settings, watch, dispatch = state.settings, visit.watch, state.dispatch
    body = await request.body()
    watch.mark("read")
    query = request.scope["query_string"]
    ask = await dispatch.call(
        lambda _: read_ask(body, visit.sent, query, settings, state.allowance), len(body) * PARSE_S_PER_BYTE, "parse",
        watch)
    deadline_ns = watch.started + int((ask.timeout_s or settings.timeout_s) * 1e9)
    opened = (await plan_for(state, ask.model, ask.runtime, visit, deadline_ns=deadline_ns)).opened
    spec = opened.card.input
    original = None
    if ask.raw is not None:
        images = from_bytes(ask.raw, spec)
        watch.mark("decode")
    else:
        _only_one(len(ask.items))
        images, outcomes = await dispatch.call(
            decoder(ask, spec, settings), expected_s(ask.items, len(body)), "decode", watch,
            deadline_ns=deadline_ns, receive=request.receive)
        first = outcomes[0]
        if isinstance(first, Decoded) and first.original is not None:
            original = Size(width=first.original[0], height=first.original[1])
    _only_one(len(images))
    return opened, images[0], original, deadline_ns


def _only_one(count: int) -> None:
    check_count(count, 1)


def _json(request: Request, opened: Opened, body: str) -> Response:
    visit_of(request).headers.append((b"x-weighbridge-model", opened.card.id.encode()))
    return Response(body, media_type="application/json")
