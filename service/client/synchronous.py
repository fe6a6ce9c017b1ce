"""The client for ordinary code. Connections are kept open between calls, and calls may come from several threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from service.client import calls
from service.client.calls import EVALUATE_S, MOST, MOST_BYTES, A, Call, Data, Document, Outcome, Resize
from service.client.errors import ServiceError, UnreachableError
from service.client.images import Image, chunked, encode
from service.client.patience import Patience, Retries
from service.wire import EvaluateAnswer, Job, JobList, ModelList, ModelVersions, PredictAnswer, Readiness, SplitList


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
        self, split: str | None = None, *, data: Data | Sequence[Data] | None = None, model: str | None = None,
        runtime: str | None = None, compare: str | None = None, limit: int | None = None,
        batch_size: int | None = None, timeout_s: float | None = None, tell: Callable[[Job], None] | None = None,
    ) -> EvaluateAnswer:
        """Score a model, and with `compare` a second one, on labelled images.

        They are a split of the server, without a name the only one that fits, or `data`: paths or bytes of one .npz,
        zip of class folders or Parquet file, of two IDX files, or of a CSV file and its zip. Where the server makes
        a job of it, this waits until it has ended, see `wait`.
        """
        call = calls.evaluate(
            split, data, model=model, runtime=runtime, compare=compare, limit=limit, batch_size=batch_size
        )
        ends = calls.ends_at(timeout_s)
        found = self._make(call, EVALUATE_S if timeout_s is None else timeout_s)
        if isinstance(found, Job):
            return self.wait(found.id, timeout_s=calls.left_s(ends), tell=tell)
        assert isinstance(found, EvaluateAnswer)
        return found

    def document(
        self, kind: Document, split: str | None = None, *, data: Data | Sequence[Data] | None = None,
        model: str | None = None, runtime: str | None = None, compare: str | None = None, limit: int | None = None,
        batch_size: int | None = None, timeout_s: float | None = None, tell: Callable[[Job], None] | None = None,
    ) -> str:
        """The same as `evaluate`, as the text of a CSV or HTML document; the latter shows the worst mistakes."""
        call = calls.evaluate(
            split, data, kind=kind, model=model, runtime=runtime, compare=compare, limit=limit, batch_size=batch_size
        )
        ends = calls.ends_at(timeout_s)
        found = self._make(call, EVALUATE_S if timeout_s is None else timeout_s)
        if isinstance(found, Job):
            self.wait(found.id, timeout_s=calls.left_s(ends), tell=tell)
            return self.result_document(kind, found.id)
        assert isinstance(found, str)
        return found

    def result_document(self, kind: Document, job: str) -> str:
        """The result of a job that is done, as a document."""
        found = self._make(calls.result(job, kind))
        assert isinstance(found, str)
        return found

    def submit(
        self, split: str | None = None, *, data: Data | Sequence[Data] | None = None, model: str | None = None,
        runtime: str | None = None, compare: str | None = None, limit: int | None = None,
        batch_size: int | None = None,
    ) -> Job:
        """The same as a job, without waiting for it."""
        call = calls.evaluate(
            split, data, model=model, runtime=runtime, compare=compare, limit=limit, batch_size=batch_size, job=True
        )
        found = self._make(call, EVALUATE_S)
        assert isinstance(found, Job)
        return found

    def wait(
        self, job: str, *, timeout_s: float | None = None, tell: Callable[[Job], None] | None = None
    ) -> EvaluateAnswer:
        """The result of a job once it has ended; `tell` hears how far it is. ServiceError says why it failed.

        UnreachableError after `timeout_s`; the job goes on.
        """
        ends = calls.ends_at(timeout_s)
        while not calls.ended(found := self.job(job)):
            if tell is not None:
                tell(found)
            if time.monotonic() >= ends:
                raise UnreachableError(f"job {job} has not ended after {timeout_s:g} s; it goes on")
            time.sleep(calls.look_again_s(found))
        return self.result(job)

    def jobs(self) -> JobList:
        """Every job that the server remembers, the newest first."""
        return self._make(calls.jobs())

    def job(self, job: str) -> Job:
        """How far a job is."""
        return self._make(calls.job(job))

    def cancel(self, job: str) -> Job | None:
        """Cancel a job, or forget one that has ended: then None."""
        return self._make(calls.cancel(job))

    def result(self, job: str) -> EvaluateAnswer:
        """The result of a job that is done; ServiceError says why there is none."""
        found = self._make(calls.result(job))
        assert isinstance(found, EvaluateAnswer)
        return found

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
