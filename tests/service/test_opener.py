"""Opening a model on another runtime: aside, once, and not again where it cannot work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pictures import encoded, grey

from service.runtimes import RUNTIMES, RuntimeSpec, RuntimeUnavailable, open_model
from service.settings import Settings

ClientOf = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]
ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
OTHER = "/predict?runtime=other"
FILE = {"image": encoded(grey())}


class Opening:
    """A runtime `other` that opens as the default one does, once it may; `failure` is raised instead."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.failure: Exception | None = None
        self.count = 0

    def __call__(self, runtime: str, path: Path, **options: Any) -> Any:
        if runtime == "other":
            self.count += 1
            self.begun.set()
            assert self.may_end.wait(20)
            if self.failure is not None:
                raise self.failure
        return open_model("onnxruntime", path, **options)


@pytest.fixture
def opening(monkeypatch: pytest.MonkeyPatch) -> Opening:
    found = Opening()
    monkeypatch.setitem(RUNTIMES, "other", RuntimeSpec(format="onnx", needs="onnxruntime", opener=""))
    monkeypatch.setattr("service.shelf.open_model", found)
    return found


def run(client_of: ClientOf, settings: Settings, body: Callable[[httpx.AsyncClient], Any]) -> None:
    async def main() -> None:
        async with client_of(settings) as client:
            with anyio.fail_after(20):
                await body(client)

    anyio.run(main)


@pytest.mark.parametrize("address", [OTHER, "/predict/input?runtime=other"])
def test_all_who_ask_first_wait_for_one_opening_and_nobody_else_does(
    toy_models: Path, client_of: ClientOf, opening: Opening, address: str
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await client.post(address, files=FILE)).status_code)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
            await anyio.to_thread.run_sync(opening.begun.wait)
            try:
                assert (await client.post("/predict", files=FILE)).status_code == 200
                assert statuses == []
            finally:
                opening.may_end.set()
        assert statuses == [200] * 3
        assert opening.count == 1

    run(client_of, Settings(models=(toy_models,), concurrency=1, inline_ms=0), body)


@pytest.mark.parametrize("failure", [RuntimeUnavailable("no compiler"), ArithmeticError("no compiler")])
def test_what_could_not_be_opened_is_not_tried_again_before_a_reload(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf, opening: Opening, failure: Exception
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        opening.may_end.set()
        opening.failure = failure
        for _ in range(3):
            problem = problem_of(await client.post(OTHER, files=FILE), 409, "runtime-unavailable")
            assert "no compiler" in problem["detail"]
            assert "use one of onnxruntime" in problem["cure"]
        assert opening.count == 1

        opening.failure = None
        assert (await client.post("/models/reload")).status_code == 200
        assert (await client.post(OTHER, files=FILE)).status_code == 200
        assert opening.count == 2

    run(client_of, Settings(models=(toy_models,), control=True), body)


def test_what_is_not_here_is_refused_before_a_file_is_read(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNTIMES, "other", RuntimeSpec(format="onnx", needs="nowhere_to_be_found", opener=""))

    async def body(client: httpx.AsyncClient) -> None:
        monkeypatch.setattr("service.shelf.verify_files", None)
        problem = problem_of(await client.post(OTHER, files=FILE), 409, "runtime-unavailable")
        assert "nowhere_to_be_found is not installed" in problem["detail"]
        assert opening.count == 0

    run(client_of, Settings(models=(toy_models,)), body)


def test_an_opening_that_takes_longer_than_the_client_waits_goes_on(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf, opening: Opening
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        try:
            early = await client.post(OTHER, files=FILE, headers={"Request-Timeout": "0.05"})
        finally:
            opening.may_end.set()
        assert "still being opened on other" in problem_of(early, 503, "not-ready")["detail"]
        assert early.headers["retry-after"] == "1"
        assert (await client.post(OTHER, files=FILE)).status_code == 200
        assert opening.count == 1

    run(client_of, Settings(models=(toy_models,)), body)


def test_no_more_requests_wait_for_an_opening_than_for_a_model(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf, opening: Opening
) -> None:
    async def body(client: httpx.AsyncClient) -> None:
        client.app.state.worker.opener.waiting = 2  # type: ignore[attr-defined]
        problem_of(await client.post(OTHER, files=FILE), 503, "not-ready")
        assert opening.count == 0

    run(client_of, Settings(models=(toy_models,), max_waiting=2), body)
