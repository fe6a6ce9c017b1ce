"""Every request the clients can make, and how its answer is read: no input or output here, so both clients share it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from service.client.errors import ClientError, ServiceError
from service.client.images import encode
from service.client.patience import Retries
from service.wire import (
    EvaluateAnswer,
    FailedItem,
    Job,
    JobList,
    ModelList,
    ModelVersions,
    PredictAnswer,
    Prediction,
    Readiness,
    SplitList,
)

A = TypeVar("A")
M = TypeVar("M", bound=BaseModel)
Outcome = Prediction | FailedItem
Resize = Literal["fit", "exact"]
Document = Literal["csv", "html"]
Kind = Literal["json"] | Document
Data = str | os.PathLike[str] | bytes
EVALUATE_S = 600.0      # an evaluation that is no job may take long
MOST = 32               # images of one request of `stream`
MOST_BYTES = 8 * 2**20  # of their files; a server takes 32 MiB unless it is told otherwise


@dataclass(frozen=True)
class Call(Generic[A]):
    """A request, and what makes its answer of the response.

    `timed` tells the server how long we will wait; one that is not `patient` is made once.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    read: Callable[[httpx.Response], A]
    sent: dict[str, Any] = field(default_factory=dict)
    timed: bool = False
    patient: bool = True

    def options(self, left_s: float) -> dict[str, Any]:
        """What httpx is given when `left_s` seconds are left."""
        more = {"headers": {"Request-Timeout": f"{left_s:.3f}"}} if self.timed else {}
        return {**self.sent, **more, "timeout": left_s}


def checked(url: str) -> str:
    """The address, or ValueError where it cannot be one."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{url!r} is no address: {error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is no address; write it as http://host:port")
    return url


def headers(api_key: str | None) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def within(retries: Retries, call: Call[Any], deadline_s: float | None) -> Retries:
    """The policy for one call."""
    found = retries if deadline_s is None else replace(retries, deadline_s=deadline_s)
    return found if call.patient else replace(found, attempts=1)


def explain(url: str, error: Exception) -> str:
    """Why no answer came."""
    if isinstance(error, httpx.ConnectError):
        return f"nothing answers at {url}: {error}; is the server running (`make serve`), is the address right?"
    if isinstance(error, httpx.TimeoutException):
        return f"{url} did not answer in time; allow more with deadline_s, or send less at once"
    return f"the connection to {url} broke: {error or type(error).__name__}"


def predict(
    files: Sequence[bytes], *, model: str | None, runtime: str | None, top_k: int | None, resize: Resize | None
) -> Call[PredictAnswer]:
    """POST /predict."""
    if not files:
        raise ValueError("there is no image to predict")
    query = _given(model=model, runtime=runtime, top_k=top_k, resize=resize)
    parts = [("image", ("image", data, "application/octet-stream")) for data in files]
    return Call("POST", "/predict", _reader(PredictAnswer), {"params": query, "files": parts}, timed=True)


def outcomes(files: Sequence[bytes], error: ServiceError) -> list[FailedItem]:
    """What stands for each image of a request that failed because no image of it could be used; else raises `error`."""
    if len(files) == 1 and error.field == "images.0":
        document = {
            "type": error.type, "title": error.title, "status": error.status, "detail": error.detail,
            "field": error.field, "limit": error.limit, "cure": error.cure, "request_id": error.request_id,
        }
        return [FailedItem.model_validate({"status": error.status, "error": document})]
    if len(error.errors) == len(files):
        return [FailedItem(status=each.status, error=each) for each in error.errors]
    raise error


def models() -> Call[ModelList]:
    """GET /models."""
    return Call("GET", "/models", _reader(ModelList))


def model(name: str) -> Call[ModelVersions]:
    """GET /models/{name}."""
    return Call("GET", f"/models/{quote(name, safe='@')}", _reader(ModelVersions))


def splits() -> Call[SplitList]:
    """GET /splits."""
    return Call("GET", "/splits", _reader(SplitList))


def ready() -> Call[Readiness]:
    """GET /readyz; what is not ready is an answer here, not an error."""
    return Call("GET", "/readyz", lambda response: _parsed(response, Readiness), patient=False)


def evaluate(
    split: str | None, data: Data | Sequence[Data] | None, *, kind: Kind = "json", job: bool | None = None, **asked: Any
) -> Call[EvaluateAnswer | str | Job]:
    """POST /evaluate on a split of the server, or on files of labelled images. `kind` other than JSON gives a text."""
    given = _given(job=job, **asked)
    params = {} if kind == "json" else {"format": kind}
    if data is None:
        sent: dict[str, Any] = {"json": _given(split=split, **given)}
    elif split is not None:
        raise ValueError("give either a split of the server or data, not both")
    else:
        files = [data] if isinstance(data, str | os.PathLike | bytes) else data
        parts = [("data", ("data", encode(each), "application/octet-stream")) for each in files]
        sent = {"files": parts, "data": {name: str(value).lower() if value is True or value is False else str(value)
                                         for name, value in given.items()}}
    return Call("POST", "/evaluate", _scored(kind), {**sent, "params": params})


def jobs() -> Call[JobList]:
    """GET /evaluate/jobs."""
    return Call("GET", "/evaluate/jobs", _reader(JobList))


def job(name: str) -> Call[Job]:
    """GET /evaluate/jobs/{id}."""
    return Call("GET", f"/evaluate/jobs/{quote(name, safe='')}", _reader(Job))


def cancel(name: str) -> Call[Job | None]:
    """DELETE /evaluate/jobs/{id}."""
    read = _reader(Job)
    return Call("DELETE", f"/evaluate/jobs/{quote(name, safe='')}",
                lambda response: None if response.status_code == HTTPStatus.NO_CONTENT else read(response))


def result(name: str, kind: Kind = "json") -> Call[EvaluateAnswer | str | Job]:
    """GET /evaluate/jobs/{id}/result."""
    return Call("GET", f"/evaluate/jobs/{quote(name, safe='')}/result", _scored(kind), {"params": {"format": kind}})


def ended(job: Job) -> bool:
    """Whether a job will not change any more."""
    return job.state in ("done", "failed", "cancelled")


def ends_at(timeout_s: float | None) -> float:
    """When, on the monotonic clock, whoever gives so long has waited enough; never without a number."""
    return math.inf if timeout_s is None else time.monotonic() + timeout_s


def left_s(ends: float) -> float | None:
    """What is left until then; None for ever."""
    return None if ends == math.inf else max(0.0, ends - time.monotonic())


def look_again_s(job: Job) -> float:
    """When to look at a job again: often at first, then some twenty times until it is done."""
    return min(2.0, max(0.1, (job.left_s or 0.0) / 20))


def _scored(kind: Kind) -> Callable[[httpx.Response], EvaluateAnswer | str | Job]:
    answer, accepted = _reader(EvaluateAnswer), _reader(Job)

    def read(response: httpx.Response) -> EvaluateAnswer | str | Job:
        if response.status_code == HTTPStatus.ACCEPTED:
            return accepted(response)
        if kind == "json" or not response.is_success:
            return answer(response)
        return response.text

    return read


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _reader(kind: type[M]) -> Callable[[httpx.Response], M]:
    def read(response: httpx.Response) -> M:
        if not response.is_success:
            raise ServiceError(response)
        return _parsed(response, kind)

    return read


def _parsed(response: httpx.Response, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        if not response.is_success:
            raise ServiceError(response) from None
        raise ClientError(f"{response.url} answered something else than a {kind.__name__}; "
                          f"is it a Weighbridge server of this release? {error.errors()[0]['msg']}") from error
