"""Which images stand behind a cell of a confusion matrix: remembered with a job, shown by /evaluate/jobs/{id}/images.

Images of a split are named by their place, since the server holds them. Uploads are dropped when a job ends, so small
pictures of them are kept, as far as there is room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.fields import read_query, shorten
from service.images import png_url
from service.labelled import Arrays, Material
from service.problems import Problem
from service.state import state_of
from service.wire import Cell, CellImage, CellImages, EvaluateAnswer

PER_CELL = 24
MOST_CELLS = 2000        # of very many classes, the cells with most images
PICTURES_BYTES = 2**22   # of all thumbnails of one model together
SIDE = 96                # pixels of a thumbnail's longer side at most
FIELDS = ("label", "predicted", "of")


async def images(request: Request) -> Response:
    """Answer GET /evaluate/jobs/{id}/images?label=6&predicted=0."""
    query = read_query(request.query_params, FIELDS)
    found = await run_in_threadpool(state_of(request).desk.result, request.path_params["id"])
    answer = EvaluateAnswer.model_validate_json(found)
    if query.get("of", "first") not in ("first", "other"):
        raise Problem("bad-value", f"of is {shorten(query['of'])}", field="of", cure="use first or other")
    if query.get("of") == "other":
        if answer.comparison is None:
            raise Problem("bad-value", "the job compares nothing", field="of", cure="leave it out")
        answer = answer.comparison.other
    label, predicted = (_index(query, name, len(answer.classes)) for name in ("label", "predicted"))
    cell = next((each for each in answer.cells or () if (each.label, each.predicted) == (label, predicted)), None)
    told = CellImages(
        model=f"{answer.model}@{answer.version}", label=answer.classes[label].label,
        predicted=answer.classes[predicted].label, count=answer.confusion[label][predicted],
        images=[] if cell is None else _listed(cell, None if answer.split.sha256 is None else answer.split.name),
    )
    return Response(told.model_dump_json(exclude_none=True), media_type="application/json")


def cells_of(probabilities: NDArray[np.float32], material: Material) -> list[Cell]:
    """Up to PER_CELL images of every cell that has any; mistakes the surest first, hits the least sure first."""
    classes, labels = probabilities.shape[1], material.labels
    predicted, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    keys = labels * classes + predicted
    order = np.lexsort((np.where(labels == predicted, sure, -sure), keys))
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    ends = np.r_[starts[1:], len(order)]
    largest = np.argsort(starts - ends, kind="stable")[:MOST_CELLS]
    kept, room = [], PICTURES_BYTES
    for start, end in sorted(zip(starts[largest].tolist(), ends[largest].tolist(), strict=True)):
        chosen = order[start : min(end, start + PER_CELL)].tolist()
        pictures = None
        if room > 0 and not isinstance(material, Arrays):
            pictures = [thumbnail(material.images(place, place + 1)[0]) for place in chosen]
            room -= sum(map(len, pictures))
        names = [material.name(place) for place in chosen]
        kept.append(Cell(
            label=int(labels[chosen[0]]), predicted=int(predicted[chosen[0]]), places=chosen,
            probabilities=[min(1.0, float(sure[place])) for place in chosen],
            names=names if any(names) else None, thumbnails=pictures,
        ))
    return kept


def thumbnail(pixels: NDArray[np.uint8]) -> str:
    """An image (height, width, channels) as a data: URL, made smaller where it is large."""
    if max(pixels.shape[:2]) > SIDE:
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        image.thumbnail((SIDE, SIDE))
        pixels = np.asarray(image).reshape(image.height, image.width, -1)
    return png_url(pixels)


def _listed(cell: Cell, split: str | None) -> list[CellImage]:
    return [
        CellImage(
            place=place, name=cell.names[position] if cell.names else None, probability=cell.probabilities[position],
            url=f"/splits/{split}/images/{place}.png" if split else None,
            thumbnail=cell.thumbnails[position] if cell.thumbnails else None,
        )
        for position, place in enumerate(cell.places)
    ]


def _index(query: dict[str, str], name: str, classes: int) -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) < classes):
        raise Problem("bad-value", f"{name} is {shorten(text)}", field=name, limit=classes - 1,
                      cure=f"send the index of a class, 0 to {classes - 1}")
    return int(text)
