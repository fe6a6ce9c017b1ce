"""What can go wrong for a client, as RFC 9457 problem details: one table, one exception, one answer.

`type` is a stable URN that programs may compare; `detail` and `cure` are sentences for people and may change.
Everything below the routes raises Problem; only this file knows what it looks like on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from service.wire import ProblemDocument

MEDIA_TYPE = "application/problem+json"
URN = "urn:weighbridge:problem:"


@dataclass(frozen=True)
class Kind:
    """A row of PROBLEMS: the HTTP status and a title that never changes from one occurrence to the next."""

    status: HTTPStatus
    title: str


PROBLEMS: dict[str, Kind] = {
    "bad-json": Kind(HTTPStatus.BAD_REQUEST, "The body is not valid JSON"),
    "bad-multipart": Kind(HTTPStatus.BAD_REQUEST, "The body is not valid multipart/form-data"),
    "bad-request": Kind(HTTPStatus.BAD_REQUEST, "The request is malformed"),
    "control-off": Kind(HTTPStatus.FORBIDDEN, "Clients may not change what is served"),
    "unauthorized": Kind(HTTPStatus.UNAUTHORIZED, "An API key is wanted here"),
    "not-found": Kind(HTTPStatus.NOT_FOUND, "There is nothing at this address"),
    "unknown-model": Kind(HTTPStatus.NOT_FOUND, "No such model"),
    "unknown-runtime": Kind(HTTPStatus.NOT_FOUND, "No such runtime"),
    "unknown-job": Kind(HTTPStatus.NOT_FOUND, "No such job"),
    "unknown-split": Kind(HTTPStatus.NOT_FOUND, "No such labelled split"),
    "method-not-allowed": Kind(HTTPStatus.METHOD_NOT_ALLOWED, "This address does not answer that method"),
    "read-timeout": Kind(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time"),
    "runtime-unavailable": Kind(HTTPStatus.CONFLICT, "This model cannot run on that runtime here"),
    "load-refused": Kind(HTTPStatus.CONFLICT, "The model could not be loaded"),
    "job-unfinished": Kind(HTTPStatus.CONFLICT, "The job has no result"),
    "split-mismatch": Kind(HTTPStatus.CONFLICT, "The split does not belong to this model"),
    "head-too-large": Kind(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large"),
    "body-too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "image-too-large": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The image has too many pixels"),
    "too-many-images": Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too many images in one request"),
    "unsupported-media-type": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body has a type that is not read here"),
    "unsupported-image-format": Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The image has a format that is not read here"),
    "no-image": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "There is no image in the request"),
    "image-unreadable": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The image cannot be decoded"),
    "wrong-shape": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The image does not have the model's shape"),
    "bad-pixels": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The pixels are not whole numbers from 0 to 255"),
    "bad-value": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "A field has a value that is not allowed"),
    "contradiction": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The same field has two values"),
    "bad-data": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The labelled data cannot be used"),
    "bad-labels": Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The labels do not fit the images or the model"),
    "internal-error": Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed; this is our mistake"),
    "not-ready": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The model is not ready"),
    "ending": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The server is ending"),
    "overloaded": Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The server has more work than it can take"),
    "answer-timeout": Kind(HTTPStatus.GATEWAY_TIMEOUT, "The answer was not ready in time"),
}


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """One occurrence of a row of PROBLEMS.

    `detail` says what happened, `cure` what to do about it; `field` names the part of the request at fault and
    `limit` the bound it broke. `retry_after_s`, `allow` and `challenge` become the headers
    Retry-After, Allow and WWW-Authenticate.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        cure: str | None = None,
        field: str | None = None,
        limit: int | float | None = None,
        retry_after_s: int | None = None,
        allow: str | None = None,
        challenge: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.status = int(PROBLEMS[slug].status)
        self.detail = detail
        self.cure = cure
        self.field = field
        self.limit = limit
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        if allow is not None:
            self.headers["Allow"] = allow
        if challenge is not None:
            self.headers["WWW-Authenticate"] = challenge

    def document(self, **more: Any) -> ProblemDocument:
        """This problem as the object that goes on the wire, with `request_id` or `errors` where given."""
        return ProblemDocument(
            type=URN + self.slug,
            title=PROBLEMS[self.slug].title,
            status=self.status,
            detail=self.detail,
            field=self.field,
            limit=self.limit,
            cure=self.cure,
            **more,
        )

    def response(self, request_id: str, errors: list[ProblemDocument] | None = None) -> Response:
        """The HTTP answer for this problem."""
        body = self.document(request_id=request_id, errors=errors).model_dump_json(exclude_none=True)
        return Response(body, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE)


def at(problem: Problem, field: str) -> Problem:
    """The same problem, saying that `field` is at fault; used where an item learns its place in the request."""
    problem.field = field
    return problem
