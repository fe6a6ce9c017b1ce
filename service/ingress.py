"""Every form a request for a prediction can take, read into one: which model, how many labels, which images.

    multipart/form-data         files in image, images or file; fields model, runtime, top_k
    image/*                     one encoded image
    application/octet-stream    raw uint8 pixels of one or more images
    application/json            see PredictRequest

model, runtime, top_k and resize may always stand in the query; where query and body disagree, nothing is guessed.
`timeout`, in seconds, stands in the query or in the header Request-Timeout: it belongs to the call, not to the images.
Images are only collected here; `to_pixels` turns each into what a model takes, so that each can fail alone.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service import effort, images
from service.allowance import FREE, Allowance
from service.card import InputSpec
from service.fields import PLAIN, merge, parse_json, read_query, read_whole, shorten, texts_of
from service.forms import parse_form
from service.images import Budget, Decoded
from service.pixels import from_lists
from service.problems import Problem
from service.settings import Resize, Settings
from service.wire import PredictRequest

IMAGE_FIELDS = ("image", "images", "file")
BODY_FIELDS = ("model", "runtime", "top_k", "resize")
QUERY_FIELDS = (*BODY_FIELDS, "timeout")
MEDIA_TYPES = (
    "multipart/form-data, image/png, image/jpeg, image/webp, image/bmp, application/octet-stream, application/json"
)
SHORTEST_S = 0.001  # of a deadline; what is over before it began is a mistake, not a wish
SPARE_PARTS = 16  # plain fields beside the images
SHORT_TEXT = 8192  # characters of an image as base64 that are worth a look at it
LIST_S, LISTED_BYTE_S = 50e-6, 20e-9  # of nested lists of pixels, each, and for each byte of the JSON


@dataclass(slots=True)
class Ask:
    """What a client asks. `items` are encoded files (bytes), base64 texts or nested lists; `raw` replaces them all."""

    items: list[Any]
    raw: bytes | None = None
    model: str | None = None
    runtime: str | None = None
    top_k: int | None = None
    resize: Resize | None = None
    no_booleans: bool = False  # in the JSON that was sent
    timeout_s: float | None = None


async def read_body(receive: Receive) -> bytes:
    """The whole body, without a copy where it comes in one piece. ClientDisconnect when it never ends."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        return body
    pieces = [body]
    while message["type"] != "http.disconnect":
        message = await receive()
        pieces.append(message.get("body", b""))
        if message["type"] == "http.request" and not message.get("more_body", False):
            return b"".join(pieces)
    raise ClientDisconnect


def read_ask(
    body: bytes, headers: Mapping[bytes, bytes], query_string: bytes, settings: Settings,
    allowance: Callable[[], Allowance],
) -> Ask:
    """Take a body apart. Nothing is decoded yet. `allowance` gives what JSON may hold."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    media_type = content_type.partition(";")[0].strip().lower()
    query = read_query(QueryParams(query_string), QUERY_FIELDS) if query_string else {}
    if media_type == "application/octet-stream":
        ask = Ask([], body)
        sent: Mapping[str, Any] = {}
    else:
        if media_type == "application/json":
            items, sent = _from_json(body, allowance)
        elif media_type == "multipart/form-data":
            items, sent = _from_form(body, content_type, settings)
        elif media_type.startswith("image/"):
            items, sent = [body], {}
        else:
            raise Problem(
                "unsupported-media-type",
                f"the body's type is {media_type[:80]!r}" if media_type else "the request has no Content-Type",
                field="Content-Type",
                cure=f"send one of {MEDIA_TYPES}; with curl, -F image=@file does",
            )
        check_count(len(items), settings.max_images)
        ask = Ask(items)
        if media_type == "application/json":
            ask.no_booleans = b"true" not in body and b"false" not in body
    if query or sent:
        ask.model = merge("model", query, sent)
        ask.runtime = merge("runtime", query, sent)
        ask.top_k = merge("top_k", query, sent, read_whole("top_k"))
        ask.resize = _resize(merge("resize", query, sent))
    if "timeout" in query or b"request-timeout" in headers:
        ask.timeout_s = _timeout_s(query, headers, settings)
    return ask


def _resize(asked: str | None) -> Resize | None:
    if asked is not None and asked not in get_args(Resize):
        raise Problem("bad-value", f"resize is {shorten(asked)}", field="resize",
                      cure=f"use one of {', '.join(get_args(Resize))}")
    return asked  # type: ignore[return-value]


def _timeout_s(query: Mapping[str, str], headers: Mapping[bytes, bytes], settings: Settings) -> float:
    """How long the client will wait, in seconds from the start of the request; never longer than the server does."""
    sent = headers.get(b"request-timeout")
    told = {} if sent is None else {"timeout": sent.decode("latin-1").strip()}
    text: str = merge("timeout", query, told)
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not SHORTEST_S <= found < math.inf:
        raise Problem("bad-value", f"timeout is {shorten(text)}", field="timeout",
                      limit=SHORTEST_S, cure=f"send seconds, {SHORTEST_S} or more")
    return min(found, settings.timeout_s)


def to_pixels(
    item: Any, spec: InputSpec, settings: Settings, resize: Resize, *, no_booleans: bool = False,
    budget: Budget | None = None,
) -> Decoded:
    """One item of an Ask as the pixels a model takes; Problem when this item cannot be used."""
    if isinstance(item, list):
        return Decoded(from_lists(item, spec, no_booleans=no_booleans), None)
    data = _from_base64(item) if isinstance(item, str) else item
    if not isinstance(data, bytes | bytearray):
        raise Problem("bad-value", f"an image cannot be {shorten(item)}",
                      cure="send nested lists of pixels, a base64 string, or a data: URL")
    return images.decode(bytes(data), spec, max_pixels=settings.max_pixels, resize=resize, budget=budget)


def expected_s(items: Sequence[Any], size: int) -> float:
    """How long `to_pixels` will take for all items at most, in seconds. `size` is that of the body they came in."""
    lists = sum(isinstance(item, list) for item in items)
    others = sum(_file_s(item) for item in items if not isinstance(item, list))
    return others + (lists * LIST_S + size * LISTED_BYTE_S if lists else 0.0)


def _file_s(item: Any) -> float:
    if isinstance(item, bytes | bytearray):
        return effort.expected_s(item)
    if not isinstance(item, str):
        return effort.FIXED_S  # it is refused
    if len(item) > SHORT_TEXT:
        return effort.LONG_S
    try:
        return effort.expected_s(binascii.a2b_base64(item.rpartition(",")[2]))
    except ValueError:
        return effort.FIXED_S


def check_count(count: int, limit: int) -> None:
    """Problem unless there are 1 to `limit` images."""
    if not count:
        raise Problem("no-image", "the request holds no image", field="image", cure="with curl: -F image=@file")
    if count > limit:
        raise Problem("too-many-images", f"{count} images in one request, the limit is {limit}", limit=limit,
                      cure="send them in several requests")


def _from_json(body: bytes, allowance: Callable[[], Allowance]) -> tuple[list[Any], Mapping[str, Any]]:
    """The images, and the members beside them."""
    allowed = PLAIN if len(body) <= FREE else allowance()
    allowed.check(body)
    found = quick_json(body)
    if found is None:  # not what most requests are: pydantic reads it again and says what is wrong
        request = parse_json(body, PredictRequest, allowed)
        found = {name: value for name in PredictRequest.model_fields if (value := getattr(request, name)) is not None}
    image, images = found.pop("image", None), found.pop("images", None)
    if image is not None and images is not None:
        raise Problem("contradiction", "both `image` and `images` are given", field="images", cure="send one of them")
    return ([] if image is None else [image]) if images is None else images, found


def quick_json(body: bytes) -> dict[str, Any] | None:
    """What PredictRequest would find in a body without a fault or an unusual value, five times as quickly; else None.

    >>> quick_json(b'{"image": [[0, 255]], "top_k": 3}')
    {'image': [[0, 255]], 'top_k': 3}
    """
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    if type(found) is not dict:
        return None
    for name, value in found.items():
        kind = type(value)
        if name == "image":
            usual = kind is list or kind is str
        elif name == "images":
            usual = kind is list and bool(value)
        elif name == "top_k":
            usual = kind is int and value >= 1
        else:
            usual = kind is str and name in BODY_FIELDS
        if not usual:
            return None
    return found


def _from_form(body: bytes, content_type: str, settings: Settings) -> tuple[list[Any], Mapping[str, Any]]:
    parts = parse_form(body, content_type, max_parts=settings.max_images + SPARE_PARTS)
    plain = [part for part in parts if part.name not in IMAGE_FIELDS]
    sent: dict[str, Any] = dict(texts_of(plain, BODY_FIELDS)) if plain else {}
    if "top_k" in sent:
        sent["top_k"] = read_whole("top_k")(sent["top_k"])
    return [bytes(part.data) for part in parts if part.name in IMAGE_FIELDS], sent


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
