"""Every form a request for a prediction can take, read into one: which model, how many labels, which images.

    multipart/form-data         files in image, images or file; fields model, runtime, top_k
    image/*                     one encoded image
    application/octet-stream    raw uint8 pixels of one or more images
    application/json            see PredictRequest

model, runtime and top_k may always stand in the query; where query and body disagree, nothing is guessed.
Images are only collected here; `to_pixels` turns each into what a model takes, so that each can fail alone.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from service import images
from service.card import InputSpec
from service.fields import merge, parse_json, read_query, read_whole, shorten, texts_of
from service.forms import parse_form
from service.images import Decoded
from service.pixels import from_lists
from service.problems import Problem
from service.settings import Settings
from service.wire import PredictRequest

IMAGE_FIELDS = ("image", "images", "file")
QUERY_FIELDS = ("model", "runtime", "top_k")
MEDIA_TYPES = (
    "multipart/form-data, image/png, image/jpeg, image/webp, image/bmp, application/octet-stream, application/json"
)
SPARE_PARTS = 16  # plain fields beside the images


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks. `items` are encoded files (bytes), base64 texts or nested lists; `raw` replaces them all."""

    model: str | None
    runtime: str | None
    top_k: int | None
    items: list[Any]
    raw: bytes | None = None


def read_ask(body: bytes, content_type: str, parameters: QueryParams, settings: Settings) -> Ask:
    """Take a body apart. Nothing is decoded yet."""
    media_type = content_type.partition(";")[0].strip().lower()
    query = read_query(parameters, QUERY_FIELDS)
    if media_type == "application/octet-stream":
        return Ask(*_named(query, {}), items=[], raw=body)
    if media_type == "application/json":
        ask = _from_json(body, query)
    elif media_type == "multipart/form-data":
        ask = _from_form(body, content_type, query, settings)
    elif media_type.startswith("image/"):
        ask = Ask(*_named(query, {}), items=[body])
    else:
        raise Problem(
            "unsupported-media-type",
            f"the body's type is {media_type[:80]!r}" if media_type else "the request has no Content-Type",
            field="Content-Type",
            cure=f"send one of {MEDIA_TYPES}; with curl, -F image=@file does",
        )
    check_count(len(ask.items), settings.max_images)
    return ask


def to_pixels(item: Any, spec: InputSpec, settings: Settings) -> Decoded:
    """One item of an Ask as the pixels a model takes; Problem when this item cannot be used."""
    if isinstance(item, list):
        return Decoded(from_lists(item, spec), None)
    data = _from_base64(item) if isinstance(item, str) else item
    if not isinstance(data, bytes | bytearray):
        raise Problem("bad-value", f"an image cannot be {shorten(item)}",
                      cure="send nested lists of pixels, a base64 string, or a data: URL")
    return images.decode(bytes(data), spec, max_pixels=settings.max_pixels, resize=settings.resize)


def expected_s(item: Any) -> float:
    """Roughly how long `to_pixels` will take, in seconds, from what can be seen without decoding."""
    if isinstance(item, bytes | bytearray):
        return images.expected_s(item)
    return len(item) * 20e-9 if isinstance(item, str) else 50e-6


def check_count(count: int, limit: int) -> None:
    """Problem unless there are 1 to `limit` images."""
    if not count:
        raise Problem("no-image", "the request holds no image", field="image", cure="with curl: -F image=@file")
    if count > limit:
        raise Problem("too-many-images", f"{count} images in one request, the limit is {limit}", limit=limit,
                      cure="send them in several requests")


def _from_json(body: bytes, query: Mapping[str, str]) -> Ask:
    request = parse_json(body, PredictRequest)
    if request.image is not None and request.images is not None:
        raise Problem("contradiction", "both `image` and `images` are given", field="images", cure="send one of them")
    items = request.images if request.images is not None else [request.image]
    sent = {"model": request.model, "runtime": request.runtime, "top_k": request.top_k}
    return Ask(*_named(query, sent), items=[] if items == [None] else items)


def _from_form(body: bytes, content_type: str, query: Mapping[str, str], settings: Settings) -> Ask:
    parts = parse_form(body, content_type, max_parts=settings.max_images + SPARE_PARTS)
    sent: dict[str, Any] = dict(texts_of([part for part in parts if part.name not in IMAGE_FIELDS], QUERY_FIELDS))
    if "top_k" in sent:
        sent["top_k"] = read_whole("top_k")(sent["top_k"])
    return Ask(*_named(query, sent), items=[bytes(part.data) for part in parts if part.name in IMAGE_FIELDS])


def _named(query: Mapping[str, str], sent: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    return merge("model", query, sent), merge("runtime", query, sent), merge("top_k", query, sent, read_whole("top_k"))


def _from_base64(text: str) -> bytes:
    if text.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            raise Problem("image-unreadable", f"{shorten(head)} is not a base64 data: URL",
                          cure="send data:image/png;base64,… ")
    try:
        return binascii.a2b_base64("".join(text.split()).encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Problem("image-unreadable", f"the text is not base64: {error}",
                      cure="encode the whole file, standard alphabet and padding: `base64 -w0 file`") from None
