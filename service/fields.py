"""The plain fields of a request, wherever they stand: query, form or JSON. What is unknown, repeated with another value
or out of range is refused by name; nothing a client wrote is ignored in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

from service.allowance import Allowance
from service.forms import Part
from service.problems import Problem

M = TypeVar("M", bound=BaseModel)
PLAIN = Allowance()  # a few members and no images


def read_query(query: QueryParams, known: tuple[str, ...]) -> dict[str, str]:
    """The parameters of the address."""
    check_names(query, known, "query")
    for name, value in query.multi_items():
        if query[name] != value:
            raise Problem("contradiction", f"{name} has two values in the query", field=name, cure="send it once")
    return dict(query)


def check_names(found: Iterable[str], known: tuple[str, ...], where: str) -> None:
    """Problem for a name nobody reads."""
    for name in found:
        if name not in known:
            raise Problem("bad-value", f"the {where} has {shorten(name)}, which is not read here", field=where,
                          cure=f"use {', '.join(known)}")


def texts_of(parts: list[Part], known: tuple[str, ...]) -> dict[str, str]:
    """The plain fields of a form."""
    check_names((part.name for part in parts), known, "form")
    found: dict[str, str] = {}
    for part in parts:
        if found.setdefault(part.name, text := part.text()) != text:
            raise Problem("contradiction", f"{part.name} has two values", field=part.name, cure="send it once")
    return found


def merge(name: str, query: Mapping[str, str], sent: Mapping[str, Any], read: Callable[[str], Any] = str) -> Any:
    """The value of a field from query or body, or None; where both have one they must agree."""
    asked = read(query[name]) if name in query else None
    told = sent.get(name)
    if asked is not None and told is not None and asked != told:
        raise Problem("contradiction", f"{name} is {shorten(asked)} in the query and {shorten(told)} in the body",
                      field=name, cure="send it once")
    return told if asked is None else asked


def read_whole(name: str) -> Callable[[str], int]:
    """A reader of positive whole numbers."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) >= 1):
            raise Problem("bad-value", f"{name} is {shorten(text)}", field=name, cure="send a whole number from 1 up")
        return int(text)

    return read


def parse_json(body: bytes, model: type[M], allowance: Allowance = PLAIN) -> M:
    """The body as `model`; "body-too-large" for more than is allowed, "bad-json" for what is not JSON, "bad-value" for
    JSON that says something else."""
    allowance.check(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _explained(error) from None


def checked(values: Mapping[str, Any], model: type[M]) -> M:
    """`values` that are not None as `model`, or "bad-value"."""
    try:
        return model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise _explained(error) from None


def shorten(value: Any, most: int = 80) -> str:
    """A value as it may stand in a sentence, in `most` characters and perhaps an ellipsis."""
    try:
        text = repr(value)
    except RecursionError:  # orjson reads what is nested deeper than Python can follow
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= most else text[:most] + "…"


def _explained(error: ValidationError) -> Problem:
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return Problem("bad-json", first["msg"], cure="check quotes, commas, brackets, UTF-8")
    where = ".".join(map(str, first["loc"])) or "body"
    return Problem("bad-value", f"{where}: {first['msg']}", field=where[:80], cure="see /docs")
