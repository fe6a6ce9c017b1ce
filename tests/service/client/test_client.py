"""The clients against a real server, and against a scripted one where a real one cannot be made to refuse on time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import encoded, grey
from PIL import Image
from process import Process

from service.client import AsyncClient, Client, ClientError, Retries, ServiceError, UnreachableError
from service.wire import FailedItem, Job, Prediction

WHITE = np.full((4, 4), 255, np.uint8)


@pytest.fixture
def client(server: Process) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


class Scripted:
    """An HTTP server that gives the answers it was told, one after the other; `asked` are the requests' headers."""

    def __init__(self, *answers: tuple[int, dict[str, str], str]) -> None:
        self.asked: list[Any] = []
        left = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - the library's name; `self` is the script
                self.asked.append(handler.headers)
                handler.rfile.read(int(handler.headers["Content-Length"]))
                status, headers, body = left.pop(0)
                handler.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    handler.send_header(name, value)
                handler.end_headers()
                handler.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))

    def __enter__(self) -> Scripted:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


ANSWER = '{"model": "m", "version": 1, "runtime": "r", "device": "cpu", "predictions": []}'
BUSY = (503, {"Retry-After": "0"}, ('{"type": "urn:weighbridge:problem:overloaded", "title": "t", "status": 503, '
        '"detail": "full", "limit": 7, "cure": "wait", "request_id": "abc"}'))


@pytest.mark.parametrize("form", ["path", "pathlib", "bytes", "array", "array with a channel", "Pillow"])
def test_every_form_of_an_image_is_the_same_image(client: Client, tmp_path: Path, form: str) -> None:
    pixels, path = grey(seed=3), tmp_path / "image.png"
    path.write_bytes(encoded(pixels))
    image: Any = {
        "path": str(path), "pathlib": path, "bytes": path.read_bytes(), "array": pixels,
        "array with a channel": pixels[..., None], "Pillow": Image.fromarray(pixels),
    }[form]

    assert client.predict(image).predictions == client.predict(encoded(pixels)).predictions


@pytest.mark.parametrize(
    ("image", "told"), [
        (np.zeros((4, 4)), "float64, not uint8"),
        (np.zeros((2, 4, 4, 1), np.uint8), "several images go as several arguments"),
        (7, "cannot be int"),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(image: Any, told: str) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises((ValueError, TypeError), match=told):
        client.predict(image)


def test_a_turned_pillow_image_is_sent_upright(client: Client, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey(3, 5)).save(tmp_path / "turned.png", exif=exif)

    with Image.open(tmp_path / "turned.png") as image:
        assert client.predict(image).predictions == client.predict(tmp_path / "turned.png").predictions


def test_one_bad_image_among_good_ones_is_an_outcome_of_its_own(client: Client) -> None:
    good, bad, last = client.predict(WHITE, b"nonsense", WHITE, top_k=1).predictions

    assert isinstance(good, Prediction)
    assert (good.label, last) == ("bright", good)
    assert isinstance(bad, FailedItem)
    assert bad.error.type.endswith("unsupported-image-format")


def test_a_stream_gives_every_image_its_outcome_whatever_its_chunk(client: Client) -> None:
    images = [WHITE, b"no", b"nor this", b"bad", WHITE, b"alone"]

    kinds = [type(outcome) for outcome in client.stream(images, chunk=3)]
    alone = [type(outcome) for outcome in client.stream(images, chunk=1)]

    assert kinds == alone == [Prediction, FailedItem, FailedItem, FailedItem, Prediction, FailedItem]


def test_a_stream_of_a_model_that_is_not_there_is_an_error_and_not_many_outcomes(client: Client) -> None:
    with pytest.raises(ServiceError, match="no model 'nope'"):
        list(client.stream([WHITE], model="nope"))


def test_a_refusal_carries_what_the_problem_document_says(client: Client) -> None:
    with pytest.raises(ServiceError) as caught:
        client.predict(WHITE, top_k=99)

    error = caught.value
    assert (error.status, error.type, error.field, error.limit) == (
        422, "urn:weighbridge:problem:bad-value", "top_k", 2)
    assert error.cure == "send a whole number from 1 to 2"
    assert error.request_id
    assert str(error) == f"422 (top_k): {error.detail}; {error.cure}"


def test_models_splits_readiness_and_scores_come_as_their_types(client: Client) -> None:
    assert {"toy", "wide"} <= {each.name for each in client.models().models}
    assert client.model("toy@1").model.card is not None
    assert [each.name for each in client.splits().splits] == ["halves"]
    assert client.ready().ready
    assert client.evaluate("halves", model="toy", limit=10).count == 10


def test_nobody_at_the_address_is_told_with_the_address() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(UnreachableError, match=r"answers at http://127.0.0.1:1"):
        client.models()


def test_a_busy_server_is_asked_again_when_it_says_and_told_how_long_we_wait() -> None:
    with Scripted(BUSY, BUSY, (200, {}, ANSWER)) as server, Client(server.url, api_key="wb_k") as client:
        assert client.predict(WHITE).model == "m"

    assert len(server.asked) == 3
    assert {each["Authorization"] for each in server.asked} == {"Bearer wb_k"}
    left = [float(each["Request-Timeout"]) for each in server.asked]
    assert left == sorted(left, reverse=True)


@pytest.mark.parametrize(
    ("retries", "retry_after", "asked"), [
        (Retries(attempts=2), "0", 2),                  # as often as allowed
        (Retries(cap_s=5), "6", 1),                     # would wait longer than the cap
        (Retries(deadline_s=1, cap_s=99), "2", 1),      # would wait beyond the deadline
    ],
)
def test_patience_ends_with_what_the_server_said(retries: Retries, retry_after: str, asked: int) -> None:
    status, _, body = BUSY
    busy = status, {"Retry-After": retry_after}, body
    with (
        Scripted(busy, busy, busy) as server, Client(server.url, retries=retries) as client,
        pytest.raises(ServiceError) as caught,
    ):
        client.predict(WHITE)

    assert len(server.asked) == asked
    assert (caught.value.retry_after_s, caught.value.limit, caught.value.request_id) == (float(retry_after), 7, "abc")


def test_only_a_busy_server_is_asked_again() -> None:
    with (
        Scripted((500, {}, "proxy says no")) as server, Client(server.url) as client,
        pytest.raises(ServiceError, match="500: proxy says no") as caught,
    ):
        client.predict(WHITE)

    assert (len(server.asked), caught.value.type) == (1, "about:blank")


def test_an_answer_of_another_kind_of_server_is_told_as_such() -> None:
    with (
        Scripted((200, {}, "<html>")) as server, Client(server.url) as client,
        pytest.raises(ClientError, match="is it a Weighbridge server"),
    ):
        client.predict(WHITE)


def test_the_async_client_answers_as_the_other_does(server: Process, client: Client) -> None:
    async def ask() -> Any:
        async with AsyncClient(server.url) as other:
            both = asyncio.gather(other.predict(WHITE), other.predict(grey()))
            streamed = [each async for each in other.stream([WHITE, b"no"], chunk=1)]
            with pytest.raises(ServiceError, match="no model"):
                await other.model("nope")
            return await both, streamed, await other.models(), await other.evaluate(limit=9)

    (white, other), streamed, models, scores = asyncio.run(ask())

    assert white.predictions == client.predict(WHITE).predictions
    assert other.predictions == client.predict(grey()).predictions
    assert [type(each) for each in streamed] == [Prediction, FailedItem]
    assert (models, scores.count) == (client.models(), 9)


def test_the_async_client_waits_as_told() -> None:
    async def ask(url: str) -> str:
        async with AsyncClient(url) as client:
            return (await client.predict(WHITE)).model

    with Scripted(BUSY, (200, {}, ANSWER)) as server:
        assert asyncio.run(ask(server.url)) == "m"


def test_an_evaluation_that_became_a_job_is_waited_for_and_told_of(client: Client) -> None:
    told: list[Job] = []
    job = client.submit("halves", model="toy", batch_size=1)

    answer = client.wait(job.id, tell=told.append)

    assert answer.count == 300
    assert all(each.id == job.id for each in told)
    assert client.job(job.id).state == "done"
    assert client.result_document("csv", job.id).startswith("model,metric")
    assert job.id in [each.id for each in client.jobs().jobs]
    assert client.cancel(job.id) is None
    with pytest.raises(ServiceError, match="there is no job"):
        client.result(job.id)


def test_files_of_labelled_images_are_sent_as_data(client: Client, server: Process, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.stack([WHITE, WHITE]), labels=np.array([1, 0]))

    async def ask() -> tuple[Any, str]:
        async with AsyncClient(server.url) as other:
            return await other.evaluate(data=tmp_path / "x.npz"), await other.document("html", data=tmp_path / "x.npz")

    answer, page = asyncio.run(ask())

    assert (answer.accuracy, client.evaluate(data=tmp_path / "x.npz", compare="toy@1").accuracy) == (0.5, 0.5)
    assert page.startswith("<!doctype html>")
    with pytest.raises(ValueError, match="not both"):
        client.evaluate("halves", data=b"x")
