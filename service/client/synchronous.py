"""The client for ordinary code. Connections are kept open between calls, and calls may come from several threads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from service.client import calls
from service.client.calls import MOST, MOST_BYTES, A, Call, Outcome, Resize
from service.client.errors import ServiceError, UnreachableError
from service.client.images import Image, chunked, encode
from service.client.patience import Patience, Retries
from service.wire import EvaluateAnswer, ModelList, ModelVersions, PredictAnswer, Readiness, SplitList


class Client:
    """A server at `url`; close it, or use it in a `with`. `options` go to httpx.Client (proxy, verify, ...).

    Every method raises ServiceError when the server refuses and UnreachableError when it cannot be asked.
    """

    def __init__(
        self, url: str = "http://localhost:3000", *, api_key: str | None = None, retries: Retries | None = None,
        **options: Any,
    ) -> None:
        self.url = url
        self._retries = retries or Retries()
        self._http = httpx.Client(base_url=calls.checked(url), headers=calls.headers(api_key), **options)

    def __enter__(self) -> Self:
        """Nothing happens before the first call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self, *images: Image, model: str | None = None, runtime: str | None = None, top_k: int | None = None,
        resize: Resize | None = None, deadline_s: float | None = None,
    ) -> PredictAnswer:
        """Classify images in one request: `predictions` has one entry per image, in their order.

        An image that cannot be used is a FailedItem among them; when none can, that is a ServiceError.
        """
        files = [encode(image) for image in images]
        call = calls.predict(files, model=model, runtime=runtime, top_k=top_k, resize=resize)
        return self._make(call, deadline_s)

    def stream(
        self, images: Iterable[Image], *, model: str | None = None, runtime: str | None = None,
        top_k: int | None = None, resize: Resize | None = None, chunk: int = MOST,
    ) -> Iterator[Outcome]:
        """Classify any number of images, `chunk` per request; one outcome per image, as soon as its request is done."""
        for files in chunked(images, chunk, MOST_BYTES):
            try:
                call = calls.predict(files, model=model, runtime=runtime, top_k=top_k, resize=resize)
                yield from self._make(call).predictions
            except ServiceError as error:
                yield from calls.outcomes(files, error)

    def models(self) -> ModelList:
        """Every model, ready or not."""
        return self._make(calls.models())

    def model(self, name: str) -> ModelVersions:
        """One model by `name` or `name@version`, with its card."""
        return self._make(calls.model(name))

    def splits(self) -> SplitList:
        """The labelled splits that the server can score models on."""
        return self._make(calls.splits())

    def ready(self) -> Readiness:
        """Whether traffic may come, and per model why not."""
        return self._make(calls.ready())

    def evaluate(
        self, split: str | None = None, *, model: str | None = None, runtime: str | None = None,
        limit: int | None = None, batch_size: int | None = None, deadline_s: float | None = None,
    ) -> EvaluateAnswer:
        """Score a model on a labelled split of the server; without a name, on the only one that fits."""
        call = calls.evaluate_split(split, model=model, runtime=runtime, limit=limit, batch_size=batch_size)
        return self._make(call, deadline_s)

    def _make(self, call: Call[A], deadline_s: float | None = None) -> A:
        patience = Patience(calls.within(self._retries, call, deadline_s))
        while True:
            try:
                response = self._http.request(call.method, call.path, **call.options(patience.left_s()))
            except httpx.TransportError as error:
                raise UnreachableError(calls.explain(self.url, error)) from error
            pause_s = patience.pause_s(response)
            if pause_s is None:
                return call.read(response)
            time.sleep(pause_s)
