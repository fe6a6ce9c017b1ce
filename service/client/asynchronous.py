"""The client for asyncio: `Client` with `await`. Connections are kept open between calls, which may run at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from service.client import calls
from service.client.calls import EVALUATE_S, MOST, MOST_BYTES, A, Call, Data, Document, Outcome, Resize
from service.client.errors import ServiceError, UnreachableError
from service.client.images import Image, chunked, encode
from service.client.patience import Patience, Retries
from service.wire import EvaluateAnswer, Job, JobList, ModelList, ModelVersions, PredictAnswer, Readiness, SplitList


class AsyncClient:
    """A server at `url`; close it, or use it in an `async with`. `options` go to httpx.AsyncClient (proxy, ...).

    Every method raises ServiceError when the server refuses and UnreachableError when it cannot be asked.
    """

    def __init__(
        self, url: str = "http://localhost:3000", *, api_key: str | None = None, retries: Retries | None = None,
        **options: Any,
    ) -> None:
        self.url = url
        self._retries = retries or Retries()
        self._http = httpx.AsyncClient(base_url=calls.checked(url), headers=calls.headers(api_key), **options)

    async def __aenter__(self) -> Self:
        """Nothing happens before the first call."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(
        self, *images: Image, model: str | None = None, runtime: str | None = None, top_k: int | None = None,
        resize: Resize | None = None, deadline_s: float | None = None,
    ) -> PredictAnswer:
        """Classify images in one request: `predictions` has one entry per image, in their order.

        An image that cannot be used is a FailedItem among them; when none can, that is a ServiceError.
        """
        files = [await asyncio.to_thread(encode, image) for image in images]
        call = calls.predict(files, model=model, runtime=runtime, top_k=top_k, resize=resize)
        return await self._make(call, deadline_s)

    async def stream(
        self, images: Iterable[Image], *, model: str | None = None, runtime: str | None = None,
        top_k: int | None = None, resize: Resize | None = None, chunk: int = MOST,
    ) -> AsyncIterator[Outcome]:
        """Classify any number of images, `chunk` per request; one outcome per image, as soon as its request is done."""
        for files in chunked(images, chunk, MOST_BYTES):
            try:
                call = calls.predict(files, model=model, runtime=runtime, top_k=top_k, resize=resize)
                predictions: list[Outcome] = list((await self._make(call)).predictions)
            except ServiceError as error:
                predictions = list(calls.outcomes(files, error))
            for each in predictions:
                yield each

    async def models(self) -> ModelList:
        """Every model, ready or not."""
        return await self._make(calls.models())

    async def model(self, name: str) -> ModelVersions:
        """One model by `name` or `name@version`, with its card."""
        return await self._make(calls.model(name))

    async def splits(self) -> SplitList:
        """The labelled splits that the server can score models on."""
        return await self._make(calls.splits())

    async def ready(self) -> Readiness:
        """Whether traffic may come, and per model why not."""
        return await self._make(calls.ready())

    async def evaluate(
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
        found = await self._make(call, EVALUATE_S if timeout_s is None else timeout_s)
        if isinstance(found, Job):
            return await self.wait(found.id, timeout_s=calls.left_s(ends), tell=tell)
        assert isinstance(found, EvaluateAnswer)
        return found

    async def document(
        self, kind: Document, split: str | None = None, *, data: Data | Sequence[Data] | None = None,
        model: str | None = None, runtime: str | None = None, compare: str | None = None, limit: int | None = None,
        batch_size: int | None = None, timeout_s: float | None = None, tell: Callable[[Job], None] | None = None,
    ) -> str:
        """The same as `evaluate`, as the text of a CSV or HTML document; the latter shows the worst mistakes."""
        call = calls.evaluate(
            split, data, kind=kind, model=model, runtime=runtime, compare=compare, limit=limit, batch_size=batch_size
        )
        ends = calls.ends_at(timeout_s)
        found = await self._make(call, EVALUATE_S if timeout_s is None else timeout_s)
        if isinstance(found, Job):
            await self.wait(found.id, timeout_s=calls.left_s(ends), tell=tell)
            return await self.result_document(kind, found.id)
        assert isinstance(found, str)
        return found

    async def result_document(self, kind: Document, job: str) -> str:
        """The result of a job that is done, as a document."""
        found = await self._make(calls.result(job, kind))
        assert isinstance(found, str)
        return found

    async def submit(
        self, split: str | None = None, *, data: Data | Sequence[Data] | None = None, model: str | None = None,
        runtime: str | None = None, compare: str | None = None, limit: int | None = None,
        batch_size: int | None = None,
    ) -> Job:
        """The same as a job, without waiting for it."""
        call = calls.evaluate(
            split, data, model=model, runtime=runtime, compare=compare, limit=limit, batch_size=batch_size, job=True
        )
        found = await self._make(call, EVALUATE_S)
        assert isinstance(found, Job)
        return found

    async def wait(
        self, job: str, *, timeout_s: float | None = None, tell: Callable[[Job], None] | None = None
    ) -> EvaluateAnswer:
        """The result of a job once it has ended; `tell` hears how far it is. ServiceError says why it failed.

        UnreachableError after `timeout_s`; the job goes on.
        """
        ends = calls.ends_at(timeout_s)
        while not calls.ended(found := await self.job(job)):
            if tell is not None:
                tell(found)
            if time.monotonic() >= ends:
                raise UnreachableError(f"job {job} has not ended after {timeout_s:g} s; it goes on")
            await asyncio.sleep(calls.look_again_s(found))
        return await self.result(job)

    async def jobs(self) -> JobList:
        """Every job that the server remembers, the newest first."""
        return await self._make(calls.jobs())

    async def job(self, job: str) -> Job:
        """How far a job is."""
        return await self._make(calls.job(job))

    async def cancel(self, job: str) -> Job | None:
        """Cancel a job, or forget one that has ended: then None."""
        return await self._make(calls.cancel(job))

    async def result(self, job: str) -> EvaluateAnswer:
        """The result of a job that is done; ServiceError says why there is none."""
        found = await self._make(calls.result(job))
        assert isinstance(found, EvaluateAnswer)
        return found

    async def _make(self, call: Call[A], deadline_s: float | None = None) -> A:
        patience = Patience(calls.within(self._retries, call, deadline_s))
        while True:
            try:
                response = await self._http.request(call.method, call.path, **call.options(patience.left_s()))
            except httpx.TransportError as error:
                raise UnreachableError(calls.explain(self.url, error)) from error
            pause_s = patience.pause_s(response)
            if pause_s is None:
                return call.read(response)
            await asyncio.sleep(pause_s)
