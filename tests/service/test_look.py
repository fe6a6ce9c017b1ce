"""What a model sees of an image and where it looks, against what can be computed by hand for the toy."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from PIL import Image
from toy import probabilities

from service.look import covered, places
from service.settings import Settings

ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
RAW = {"Content-Type": "application/octet-stream"}
PIXELS = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16


def png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def test_the_input_is_the_very_pixels_that_enter_the_graph(http: httpx.Client) -> None:
    answer = http.post("/predict/input", content=PIXELS.tobytes(), headers=RAW).json()

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["image"].partition(",")[2]))))
    assert (shown == PIXELS).all()
    assert (answer["resized"], answer["channels"]) == (False, 1)


def test_a_scaled_image_says_what_it_was(http: httpx.Client) -> None:
    answer = http.post("/predict/input?model=wide", content=png(np.zeros((30, 20))),
                       headers={"Content-Type": "image/png"}).json()

    assert (answer["height"], answer["width"], answer["channels"]) == (2, 6, 3)
    assert answer["original_size"] == {"width": 20, "height": 30}


def test_each_drop_is_what_the_patch_takes_from_the_probability_of_the_answer(http: httpx.Client) -> None:
    answer = http.post("/predict/saliency", content=PIXELS.tobytes(), headers=RAW).json()

    border = np.concatenate([PIXELS[0], PIXELS[-1], PIXELS[:, 0], PIXELS[:, -1]])
    before = probabilities(PIXELS[np.newaxis])[0]
    for row in range(4):
        for column in range(4):
            left = PIXELS.copy()
            left[row, column] = np.median(border)
            expected = before[answer["index"]] - probabilities(left[np.newaxis])[0, answer["index"]]
            assert answer["drops"][row][column] == pytest.approx(expected, abs=2e-6)
    assert (answer["rows"], answer["patch"], answer["runs"]) == ([0, 1, 2, 3], [1, 1], 17)


def test_a_large_image_costs_a_bounded_number_of_runs_in_bounded_batches() -> None:
    rows = places(2000)
    batches = list(covered(np.zeros((40, 40, 3), np.uint8), places(40), places(40), (8, 8), 32))

    assert (rows[0], rows[-1], len(rows)) == (0, 1600, 14)
    assert max(map(len, batches)) == 32
    assert sum(map(len, batches)) == len(places(40)) ** 2 <= 196


@pytest.mark.parametrize("path", ["/predict/input", "/predict/saliency"])
def test_more_than_one_image_is_refused(http: httpx.Client, problem_of: ProblemOf, path: str) -> None:
    problem = problem_of(http.post(path, content=bytes(32), headers=RAW), 413, "too-many-images")

    assert problem["limit"] == 1


def test_a_second_saliency_at_once_is_told_when_to_come_again(
    toy_models: Path, client_of: Callable[[Settings], Any], problem_of: ProblemOf
) -> None:
    async def run() -> httpx.Response:
        async with client_of(Settings(models=(toy_models,))) as client:
            client.app.state.worker.explaining = True
            busy: httpx.Response = await client.post("/predict/saliency", content=bytes(16), headers=RAW)
            client.app.state.worker.explaining = False
            assert (await client.post("/predict/saliency", content=bytes(16), headers=RAW)).status_code == 200
            return busy

    answer = anyio.run(run)
    problem_of(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"


def test_the_runs_share_the_batches_of_predict(toy_models: Path, client_of: Callable[[Settings], Any]) -> None:
    async def run() -> list[int]:
        asked: list[int] = []
        async with client_of(Settings(models=(toy_models,), max_batch=5)) as client:
            dispatch = client.app.state.worker.dispatch
            infer = dispatch.infer

            async def counted(opened: Any, images: Any, watch: Any, **more: Any) -> Any:
                asked.append(len(images))
                return await infer(opened, images, watch, **more)

            dispatch.infer = counted
            await client.post("/predict/saliency", content=bytes(16), headers=RAW)
        return asked

    assert anyio.run(run) == [1, 5, 5, 5, 1]
