"""What a well server does not show: limits of time and load, our own failures, the states before ready."""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import anyio
import httpx
import numpy as np
import pytest
from pictures import encoded, grey
from toy import write_toy

from service import browse
from service.settings import Settings

ClientOf = Callable[[Settings], Any]
ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
PNG = {"image": encoded(grey())}


def ask(
    client_of: ClientOf, settings: Settings, *, before: Callable[[Any], object] | None = None, **request: Any
) -> httpx.Response:
    """One POST to an application of its own; `before` may lay hands on the worker's state."""

    async def run() -> httpx.Response:
        async with client_of(settings) as client:
            if before is not None:
                before(client.app.state.worker)
            found: httpx.Response = await client.post("/predict", **(request or {"files": PNG}))
            return found

    return anyio.run(run)


def test_exact_resize_refuses_another_size(toy_models: Path, client_of: ClientOf, problem_of: ProblemOf) -> None:
    answer = ask(client_of, Settings(models=(toy_models,), resize="exact"), files={"image": encoded(grey(5, 5))})

    assert "5 x 5" in problem_of(answer, 422, "wrong-shape")["detail"]


def test_a_slow_body_is_given_up(toy_models: Path, client_of: ClientOf, problem_of: ProblemOf) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"x"
        await anyio.sleep(60)

    problem_of(ask(client_of, Settings(models=(toy_models,), timeout_s=0.1), content=slow()), 408, "read-timeout")


def slow_down(worker: Any) -> None:
    opened = worker.shelf.find(None).opened
    slow = SimpleNamespace(**{**vars(opened["onnxruntime"]), "image_s": 1.0})  # too long for the event loop
    slow.run = Mock(wraps=slow.run, side_effect=lambda images: time.sleep(0.5))
    slow.run.name, slow.run.device = "onnxruntime", "cpu"
    opened["onnxruntime"] = slow


def test_a_result_that_takes_too_long_is_a_problem(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    answer = ask(client_of, Settings(models=(toy_models,), timeout_s=0.1), before=slow_down)

    problem_of(answer, 504, "answer-timeout")


def test_too_much_waiting_work_is_refused_with_a_time_to_come_back(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    def fill(worker: Any) -> None:
        worker.dispatch.waiting = 256

    answer = ask(client_of, Settings(models=(toy_models,), inline_ms=0), before=fill)

    assert problem_of(answer, 503, "overloaded")["limit"] == 256
    assert int(answer.headers["retry-after"]) >= 1


def test_work_on_threads_gives_the_same_answer_as_on_the_event_loop(toy_models: Path, client_of: ClientOf) -> None:
    inline, threaded = (
        ask(client_of, Settings(models=(toy_models,), inline_ms=inline_ms)) for inline_ms in (1000, 0)
    )

    assert inline.json() == threaded.json()
    assert "queue;dur=0.000" in inline.headers["server-timing"]
    assert "queue;dur=0.000" not in threaded.headers["server-timing"]


def test_our_own_mistake_is_a_500_that_says_nothing_but_its_request_id(
    toy_models: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    def sabotage(worker: Any) -> None:
        worker.shelf.find = None

    problem = problem_of(ask(client_of, Settings(models=(toy_models,)), before=sabotage), 500, "internal-error")

    assert "NoneType" not in json.dumps(problem)
    assert problem["request_id"] in problem["cure"]


def test_the_openapi_document_is_made_once_for_the_same_settings(
    toy_models: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Mock(wraps=browse.document)
    monkeypatch.setattr(browse, "document", made)

    async def run() -> list[httpx.Response]:
        async with client_of(Settings(models=(toy_models,))) as client:
            return [await client.get("/docs.json") for _ in range(3)]

    answers = anyio.run(run)

    assert made.call_count == 1
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["info"]["title"] == "Weighbridge"


def test_a_server_is_live_and_not_ready_while_models_load(
    toy_models: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.routes import build
    from service.state import State

    loading = threading.Event()
    monkeypatch.setattr(State, "load", lambda self: loading.wait(10))

    async def run() -> dict[str, httpx.Response]:
        app = build(Settings(models=(toy_models,)))
        async with app.router.lifespan_context(app), httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://here"
        ) as client:
            try:
                return {path: await client.get(path) for path in ("/livez", "/readyz", "/models")} | {
                    "/predict": await client.post("/predict", files=PNG)
                }
            finally:
                loading.set()

    found = anyio.run(run)

    assert {path: answer.status_code for path, answer in found.items()} == {
        "/livez": 200, "/readyz": 503, "/models": 200, "/predict": 503,
    }
    assert found["/predict"].headers["retry-after"] == "1"


def test_a_server_without_its_default_model_is_not_ready_and_serves_the_others(
    tmp_path: Path, client_of: ClientOf
) -> None:
    write_toy(tmp_path)

    async def run() -> tuple[httpx.Response, httpx.Response]:
        async with client_of(Settings(models=(tmp_path,), default_model="gone")) as client:
            return await client.get("/readyz"), await client.post("/predict?model=toy", files=PNG)

    ready, predicted = anyio.run(run)

    assert (ready.status_code, ready.json()["reason"], predicted.status_code) == (503, "there is no model 'gone'", 200)


def test_the_access_log_is_one_json_line_per_request(
    toy_models: Path, client_of: ClientOf, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(client_of, Settings(models=(toy_models,), access_log=True), files=PNG, headers={"X-Request-ID": "mine"})

    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (line["request_id"], line["path"], line["status"], line["model"]) == ("mine", "/predict", 200, "toy@1")


def test_another_runtime_is_opened_and_checked_on_first_use(toy_models: Path, client_of: ClientOf) -> None:
    torch = pytest.importorskip("torch")
    from service.card import ModelFile, read_card, sha256_of, write_card

    class Toy(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: Any) -> Any:
            bright = image.float().mean(dim=(1, 2, 3)) * (8 / 255) - 4
            return torch.softmax(torch.stack([torch.zeros_like(bright), bright], dim=1), dim=1)

    folder = toy_models / "toy" / "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is deprecated, and served all the same
        torch.jit.trace(Toy(), torch.zeros(2, 4, 4, 1, dtype=torch.uint8)).save(str(folder / "model.pt"))
    card = read_card(folder)
    size, digest = (folder / "model.pt").stat().st_size, sha256_of(folder / "model.pt")
    extra = ModelFile(format="torchscript", path="model.pt", size_bytes=size, sha256=digest)
    write_card(folder, card.model_copy(update={"files": (*card.files, extra)}))

    async def run() -> list[Any]:
        async with client_of(Settings(models=(toy_models,))) as client:
            answers = [
                (await client.post("/predict", params={"runtime": runtime}, files=PNG)).json()
                for runtime in ("onnxruntime", "torchscript")
            ]
            return [*answers, (await client.get("/models/toy")).json()]

    onnx, torched, described = anyio.run(run)

    assert torched["runtime"] == "torchscript"
    ours, theirs = (answer["predictions"][0]["probability"] for answer in (onnx, torched))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert {each["name"] for each in described["model"]["runtimes"] if each["open"]} == {"onnxruntime", "torchscript"}
