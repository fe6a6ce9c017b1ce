"""/models, /models/{name}, /splits and their images: what there is, what of it can be used here, why not the rest."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.fields import shorten
from service.images import encode_png
from service.problems import Problem
from service.routing import front
from service.runtimes import RUNTIMES
from service.shelf import Entry, Shelf
from service.state import State, state_of
from service.wire import ModelList, ModelState, ModelVersions, RuntimeState, SplitList, SplitState


async def models(request: Request) -> Response:
    """Answer GET /models."""
    state = state_of(request)
    default = _default_id(state)
    return _json(ModelList(default=default, models=[describe(entry, state, default) for entry in state.shelf]))


async def model(request: Request) -> Response:
    """Answer GET /models/{name}, where name may be `name@version`."""
    state = state_of(request)
    shelf = state.shelf
    name, _, version = request.path_params["name"].partition("@")
    entries = shelf.versions(name)
    if version:
        wanted = next((entry for entry in entries if str(entry.version) == version), None)
        if wanted is None:
            known = ", ".join(entry.id for entry in entries)
            raise Problem("unknown-model", f"{name} has no version {version[:20]!r}", field="name", cure=f"use {known}")
    else:
        wanted = next((entry for entry in reversed(entries) if entry.state == "ready"), entries[-1])
    described = describe(wanted, state, _default_id(state))
    return _json(ModelVersions(name=name, versions=[entry.version for entry in entries], model=described))


async def splits(request: Request) -> Response:
    """Answer GET /splits."""
    state = state_of(request)
    found = [
        SplitState(
            name=split.card.name,
            dataset=split.card.dataset,
            split=split.card.split,
            classes=list(split.card.classes),
            count=split.card.count,
            shape=split.card.shape,
            sha256=split.card.sha256,
            licence=split.card.licence,
        )
        for split in state.splits.values()
    ]
    return _json(SplitList(splits=found, problems=state.split_problems))


async def picture(request: Request) -> Response:
    """Answer GET /splits/{name}/images/{place}.png, with the true class in X-Weighbridge-Label."""
    state, name, place = state_of(request), request.path_params["name"], request.path_params["place"]
    if name not in state.splits:
        raise Problem("unknown-split", f"there is no split {shorten(name)}", field="name", cure="see /splits")
    card = state.splits[name].card
    if not (place.isascii() and place.isdigit() and len(place) <= 9 and int(place) < card.count):
        raise Problem("not-found", f"{name} has no image {shorten(place)}", field="place", limit=card.count - 1,
                      cure=f"use 0 to {card.count - 1}")
    images, labels = await run_in_threadpool(state.splits[name].load)
    label = quote(card.classes[labels[int(place)]], safe=" /&+()'")  # a header is ASCII
    return Response(encode_png(images[int(place)]), media_type="image/png", headers={"X-Weighbridge-Label": label})


def describe(entry: Entry, state: State, default: str | None) -> ModelState:
    """Everything about one version."""
    shelf = state.shelf
    file = entry.card.file(RUNTIMES[shelf.settings.runtime].format) if entry.card else None
    return ModelState(
        name=entry.name,
        version=entry.version,
        ready=entry.state == "ready",
        default=entry.id == default,
        reason=entry.reason or ("still being loaded" if entry.state == "loading" else None),
        size_bytes=file.size_bytes if file else None,
        runtimes=[_runtime(entry, name, shelf) for name in RUNTIMES],
        card=entry.card,
    )


def _runtime(entry: Entry, name: str, shelf: Shelf) -> RuntimeState:
    opened = entry.opened.get(name)
    refusal = None if opened else shelf.refusal(entry, name)
    return RuntimeState(
        name=name,
        format=RUNTIMES[name].format,
        usable=refusal is None,
        open=opened is not None,
        device=opened.run.device if opened else None,
        threads=opened.run.threads if opened else None,
        version=opened.run.version if opened else None,
        reason=refusal,
    )


def _default_id(state: State) -> str | None:
    try:
        return front(state.shelf, state.book, None).id
    except Problem:
        return None


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
