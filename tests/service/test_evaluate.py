"""/evaluate on a real server: splits, uploads, and what does not fit."""

from __future__ import annotations

import asyncio
import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from pictures import encoded, grey
from toy import CLASSES, probabilities, write_toy

from service.ingress import to_pixels
from service.settings import Settings
from service.splits import Split, write_split
from service.wire import EvaluateAnswer

ClientOf = Callable[[Settings], Any]
ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]


def test_a_split_is_scored_as_counting_by_hand_does(http: httpx.Client, models: Path) -> None:
    answer = http.post("/evaluate", json={"model": "toy", "split": "halves"})

    answer = EvaluateAnswer.model_validate_json(answer.content)
    images, labels = Split.find(models / "splits" / "halves").load()
    right = int((probabilities(images).argmax(axis=1) == labels).sum())
    assert (answer.count, answer.correct, answer.accuracy) == (300, right, right / 300)
    assert answer.interval.low < answer.accuracy < answer.interval.high
    assert sum(map(sum, answer.confusion)) == 300
    assert [each.label for each in answer.classes] == list(CLASSES)
    assert answer.split.sha256 == Split.find(models / "splits" / "halves").card.sha256


def test_the_only_split_that_fits_need_not_be_named(http: httpx.Client) -> None:
    assert http.post("/evaluate", json={}).json()["split"]["name"] == "halves"


def test_limit_takes_the_first_images_and_the_last_batch_may_be_short(http: httpx.Client) -> None:
    answer = http.post("/evaluate?limit=50", json={"batch_size": 20}).json()

    assert (answer["count"], answer["latency"]["batches"], answer["latency"]["batch_size"]) == (50, 3, 20)


@pytest.mark.parametrize(
    "labels", [["bright", "dark"], ["1", "0"], ["bright,dark"], ['["bright", "dark"]'], ["[1, 0]"]], ids=str
)
def test_uploaded_images_are_scored_against_their_labels(http: httpx.Client, labels: list[str]) -> None:
    white, black = encoded(np.full((4, 4), 255, np.uint8)), encoded(np.zeros((4, 4), np.uint8))

    answer = http.post("/evaluate", files=[("images", white), ("images", black)], data={"labels": labels})

    assert answer.status_code == 200, answer.text
    assert (answer.json()["accuracy"], answer.json()["split"]) == (1.0, {"name": "uploaded"})


@pytest.mark.parametrize(
    ("labels", "images", "status", "slug", "field"),
    [
        (["bright"], 2, 422, "bad-labels", "labels"),
        ([], 1, 422, "bad-labels", "labels"),
        (["blue"], 1, 422, "bad-labels", "labels.0"),
        (["2"], 1, 422, "bad-labels", "labels.0"),
        (["[1.5]"], 1, 422, "bad-labels", "labels.0"),
        (["[1,"], 1, 422, "bad-labels", "labels"),
        (["[" * 9000], 1, 422, "bad-labels", "labels"),
        (["bright"], 0, 422, "no-image", "image"),
    ],
)
def test_labels_that_do_not_fit_are_a_problem(
    http: httpx.Client, problem_of: ProblemOf, labels: list[str], images: int, status: int, slug: str, field: str
) -> None:
    files = [("labels", (None, label)) for label in labels] + [("images", ("a.png", encoded(grey())))] * images

    assert problem_of(http.post("/evaluate", files=files or [("model", (None, "toy"))]), status, slug)["field"] == field


def test_an_unreadable_upload_fails_the_evaluation_and_is_named(http: httpx.Client, problem_of: ProblemOf) -> None:
    files = [("images", encoded(grey())), ("images", b"\x89PNG\r\n\x1a\nno")]

    problem = problem_of(http.post("/evaluate", files=files, data={"labels": "0,1"}), 422, "image-unreadable")

    assert problem["field"] == "images.1"


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"model": "nope"}, 404, "unknown-model"),
        ({"runtime": "nope"}, 404, "unknown-runtime"),
        ({"split": "nope"}, 404, "unknown-split"),
        ({"split": "../toy"}, 404, "unknown-split"),
        ({"model": "wide", "split": "halves"}, 409, "split-mismatch"),
        ({"model": "wide"}, 422, "bad-value"),
        ({"limit": 0}, 422, "bad-value"),
        ({"limit": "x"}, 422, "bad-value"),
        ({"batch_size": 100_000}, 422, "bad-value"),
        ({"epochs": 3}, 422, "bad-value"),
    ],
)
def test_a_bad_request_is_a_problem(
    http: httpx.Client, problem_of: ProblemOf, body: dict[str, Any], status: int, slug: str
) -> None:
    problem_of(http.post("/evaluate", json=body), status, slug)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "slug"),
    [
        (b"", "application/json", 400, "bad-json"),
        (b"NaN", "application/json", 422, "bad-value"),
        (b"x", "image/png", 415, "unsupported-media-type"),
        (b"x", "multipart/form-data; boundary=b", 400, "bad-multipart"),
    ],
)
def test_a_body_that_is_not_read_here_is_a_problem(
    http: httpx.Client, problem_of: ProblemOf, body: bytes, content_type: str, status: int, slug: str
) -> None:
    problem_of(http.post("/evaluate", content=body, headers={"Content-Type": content_type}), status, slug)


def test_a_parameter_given_twice_is_not_guessed_about(http: httpx.Client, problem_of: ProblemOf) -> None:
    problem_of(http.post("/evaluate?model=toy&model=wide", json={}), 422, "contradiction")


def test_more_files_of_data_than_any_form_has_are_refused_unopened(http: httpx.Client, problem_of: ProblemOf) -> None:
    problem = problem_of(http.post("/evaluate", files=[("data", b"x")] * 500), 422, "bad-value")

    assert problem["detail"] == "there are 500 files of data"


def test_more_evaluations_than_allowed_are_told_when_to_come_back(
    models: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    async def run() -> httpx.Response:
        async with client_of(Settings(models=(models,), default_model="toy")) as client:
            client.app.state.worker.evaluating = 1
            return await client.post("/evaluate", json={})

    answer = anyio.run(run)

    problem_of(answer, 503, "overloaded")
    assert int(answer.headers["retry-after"]) >= 1


class Decoder:
    """Decodes as ever, but waits at the first image until it may go on."""

    def __init__(self) -> None:
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.count = 0

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.count += 1
        self.begun.set()
        assert self.may_go_on.wait(20)
        return to_pixels(*arguments, **more)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Decoder:
    found = Decoder()
    monkeypatch.setattr("service.labelled.to_pixels", found)
    return found


def folders(count: int) -> bytes:
    """A zip of so many dark images."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place in range(count):
            archive.writestr(f"dark/{place}.png", encoded(np.zeros((4, 4), np.uint8)))
    return buffer.getvalue()


def test_a_client_that_leaves_stops_its_evaluation_at_the_image_it_is_at_and_counts_until_then(
    models: Path, client_of: ClientOf, problem_of: ProblemOf, decoder: Decoder
) -> None:
    sent = httpx.Request("POST", "http://here/evaluate?batch_size=4096&model=toy", files={"data": folders(50)})
    body = sent.read()
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/evaluate",
        "query_string": sent.url.query, "headers": [(b"content-type", sent.headers["content-type"].encode())],
    }

    async def receive() -> dict[str, Any]:
        nonlocal body
        if body is not None:
            body, whole = None, body
            return {"type": "http.request", "body": whole}
        await anyio.to_thread.run_sync(decoder.begun.wait)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def run() -> None:
        async with client_of(Settings(models=(models,))) as client:
            state = client.app.state.worker
            try:
                await client.app(scope, receive, send)
                problem_of(await client.post("/evaluate", json={"model": "toy"}), 503, "overloaded")
            finally:
                decoder.may_go_on.set()
            with anyio.fail_after(20):
                while state.evaluating:
                    await anyio.sleep(0.01)
            assert decoder.count == 1
            assert (await client.post("/evaluate", json={"model": "toy"})).status_code == 200

    anyio.run(run)


def test_an_evaluation_may_take_as_long_as_a_job(
    models: Path, client_of: ClientOf, problem_of: ProblemOf, decoder: Decoder
) -> None:
    async def run() -> httpx.Response:
        async with client_of(Settings(models=(models,), job_limit_s=0.2)) as client:
            try:
                return await client.post("/evaluate?model=toy", files={"data": folders(2)})
            finally:
                decoder.may_go_on.set()

    problem = problem_of(anyio.run(run), 504, "answer-timeout")

    assert problem["limit"] == 0.2
    assert "WEIGHBRIDGE_JOB_LIMIT_S" in problem["cure"]


def test_predictions_are_answered_while_an_evaluation_runs(models: Path, client_of: ClientOf) -> None:
    async def run() -> tuple[int, int]:
        async with client_of(Settings(models=(models,), default_model="toy")) as client:
            release = threading.Event()
            client.app.state.worker.evaluations.submit(release.wait, 10)  # the evaluation waits behind this
            evaluation = asyncio.create_task(client.post("/evaluate", json={}))
            predicted = await client.post("/predict", files={"image": encoded(grey())})
            assert not evaluation.done()
            release.set()
            return predicted.status_code, (await evaluation).status_code

    assert anyio.run(run) == (200, 200)


def test_a_split_over_the_limit_of_images_is_a_problem(
    tmp_path: Path, client_of: ClientOf, problem_of: ProblemOf
) -> None:
    write_toy(tmp_path)
    images = np.zeros((5, 4, 4, 1), np.uint8)
    write_split(
        tmp_path / "splits" / "five", images, np.zeros(5, np.int64), dataset="toy", split="test", classes=CLASSES,
        licence="CC0",
    )

    async def run() -> httpx.Response:
        async with client_of(Settings(models=(tmp_path,), max_evaluate_images=4)) as client:
            assert (await client.post("/evaluate", json={"limit": 4})).status_code == 200
            return await client.post("/evaluate", json={})

    problem_of(anyio.run(run), 413, "too-many-images")
