"""A single question to a server that somebody else runs, and what its refusals mean for whoever wants to weigh it."""

from __future__ import annotations

import statistics
import time
from typing import Any

import httpx

from benchmarks.load.payloads import Payloads
from benchmarks.load.wire import bearer
from benchmarks.machine.server import Elsewhere, ServerError

PATIENCE_S = 10.0        # for what a server knows by heart
FIRST_ANSWER_S = 120.0   # for the first prediction, which may have to load the model
MOST_SHOWN = 300         # characters of what a server says


def get(server: Elsewhere, path: str) -> httpx.Response:
    """The answer to a GET, whatever its status; ServerError where there is none, or where a key is wanted."""
    return _asked(server, "GET", path, timeout=PATIENCE_S)


def document(answer: httpx.Response) -> Any:
    """The JSON of an answer; None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def predict(server: Elsewhere, path: str, payloads: Payloads) -> httpx.Response:
    """The answer to the first body; ServerError unless its status is 200."""
    answer = _asked(server, "POST", path, content=payloads.bodies[0], timeout=FIRST_ANSWER_S,
                    headers={"Content-Type": payloads.content_type, **payloads.protocol.headers})
    if answer.status_code != 200:
        raise ServerError(f"POST {path} answered {answer.status_code}: {said(answer)}{_cure(answer, payloads)}")
    return answer


def taste(server: Elsewhere, path: str, payloads: Payloads, times: int) -> float:
    """Ask the same a few times over one connection, which also warms the server; seconds per answer at the median.

    It ends at the first refusal: a server that lets nobody ask so often may still bear what it is asked later.
    """
    given = {**bearer(server.key), "Content-Type": payloads.content_type, **payloads.protocol.headers}
    taken: list[float] = []
    try:
        with httpx.Client(headers=given, timeout=FIRST_ANSWER_S) as client:
            for _ in range(times):
                begun = time.perf_counter()
                if client.post(f"{server.url}{path}", content=payloads.bodies[0]).status_code != 200 and taken:
                    break
                taken.append(time.perf_counter() - begun)
    except httpx.HTTPError as error:
        raise ServerError(f"POST {path}: {error or type(error).__name__}") from error
    return statistics.median(taken)


def said(answer: httpx.Response) -> str:
    """What a refusal says, in one line: the field that it names, the detail, the cure."""
    known = document(answer)
    if isinstance(known, dict):
        parts = [f"{known[key]}" for key in ("field", "detail", "error", "cure") if isinstance(known.get(key), str)]
        if parts:
            return "; ".join(parts)[:MOST_SHOWN]
    return " ".join(answer.text[:MOST_SHOWN].split()) or "(nothing more)"


def alive(server: Elsewhere) -> bool:
    """Whether anybody is there: one who takes the request and is too busy to answer it in time is."""
    try:
        httpx.get(f"{server.url}/", timeout=PATIENCE_S)
    except httpx.ReadTimeout:
        return True
    except httpx.HTTPError:
        return False
    return True


def _asked(server: Elsewhere, method: str, path: str, **options: Any) -> httpx.Response:
    given = {**bearer(server.key), **options.pop("headers", {})}
    try:
        answer = httpx.request(method, f"{server.url}{path}", headers=given, **options)
    except httpx.TimeoutException:
        raise ServerError(f"{method} {path}: {server.url} did not answer within {options['timeout']:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerError(f"nothing answers at {server.url}: {error or type(error).__name__}; is the server running, "
                          "are address and port right?") from None
    if answer.status_code in (401, 403):
        cure = "it does not take the API key in WEIGHBRIDGE_API_KEY" if server.key else \
            "it wants an API key: put yours into WEIGHBRIDGE_API_KEY"
        raise ServerError(f"{method} {path} answered {answer.status_code}; {cure}")
    if answer.is_redirect:
        raise ServerError(f"{method} {path} answered {answer.status_code} and sends us to "
                          f"{answer.headers.get('location', 'nowhere')}; give that address, redirects are not followed")
    return answer


def _cure(answer: httpx.Response, payloads: Payloads) -> str:
    binary = "Inference-Header-Content-Length" in payloads.protocol.headers
    if binary and answer.status_code in (400, 415, 422, 500):
        return "; if it does not know binary tensors, try --tensor json"
    return "; it is busy, or not ready yet" if answer.status_code == 503 else ""
