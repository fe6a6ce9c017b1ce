"""What can go wrong for a caller: the server refused (ServiceError), or could not be asked (UnreachableError)."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from service.wire import ProblemDocument


class ClientError(Exception):
    """What the client raises is one of these."""


class UnreachableError(ClientError):
    """No answer came: nothing listens there, the connection broke, or it took longer than the deadline."""


class ServiceError(ClientError):
    """The server's problem document, member by member; `retry_after_s` is what it asked to wait, where it did.

    An answer that is no problem document, of a proxy for instance, has the type "about:blank".
    """

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.retry_after_s = retry_after_s(response)
        self.request_id = response.headers.get("x-request-id")
        self.field: str | None = None
        self.limit: int | float | None = None
        self.cure: str | None = None
        self.errors: list[ProblemDocument] = []
        try:
            told = ProblemDocument.model_validate_json(response.content)
        except ValidationError:
            self.type, self.title = "about:blank", response.reason_phrase
            self.detail = response.text[:200].strip() or f"the answer has status {self.status} and no body"
        else:
            self.type, self.title, self.detail = told.type, told.title, told.detail
            self.field, self.limit, self.cure = told.field, told.limit, told.cure
            self.request_id = told.request_id or self.request_id
            self.errors = told.errors or []
        where = f" ({self.field})" if self.field else ""
        super().__init__(f"{self.status}{where}: {self.detail}" + (f"; {self.cure}" if self.cure else ""))


def retry_after_s(response: httpx.Response) -> float | None:
    """The seconds that Retry-After asks for; None where it is absent or a date, which our servers never send."""
    text: str = response.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
