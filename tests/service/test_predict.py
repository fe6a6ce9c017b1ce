"""Every form of a good request, sent to a real server."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import pytest
from pictures import encoded, grey, rgb
from toy import probabilities

from service.wire import PredictAnswer

IMAGE = grey()
PNG = encoded(IMAGE)
BASE64 = base64.b64encode(PNG).decode()


def expected(pixels: np.ndarray = IMAGE) -> float:
    """P("bright") by the toy's formula."""
    return float(probabilities(pixels[np.newaxis])[0, 1])


def brightness(answer: httpx.Response, item: int = 0) -> float:
    assert answer.status_code == 200, answer.text
    parsed = PredictAnswer.model_validate_json(answer.content)
    top = parsed.predictions[item].top  # type: ignore[union-attr]
    return next(choice.probability for choice in top if choice.label == "bright")


@pytest.mark.parametrize("field", ["image", "images", "file"])
def test_a_form_with_a_file(http: httpx.Client, field: str) -> None:
    answer = http.post("/predict", files={field: ("shoe.png", PNG, "image/png")})

    assert brightness(answer) == pytest.approx(expected(), abs=1e-6)


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpg", "webp", "bmp", "x-whatever"])
def test_a_raw_image_whatever_its_declared_type_since_the_bytes_decide(http: httpx.Client, kind: str) -> None:
    answer = http.post("/predict", content=PNG, headers={"Content-Type": f"image/{kind}"})

    assert brightness(answer) == pytest.approx(expected(), abs=1e-6)


def test_raw_pixels_of_several_images(http: httpx.Client) -> None:
    images = np.stack([grey(seed=seed) for seed in range(3)])

    answer = http.post("/predict", content=images.tobytes(), headers={"Content-Type": "application/octet-stream"})

    found = [brightness(answer, item) for item in range(3)]
    assert found == pytest.approx([expected(image) for image in images], abs=1e-6)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(IMAGE.tolist(), id="rows"),
        pytest.param(IMAGE[:, :, np.newaxis].tolist(), id="rows with channels"),
        pytest.param(BASE64, id="base64"),
        pytest.param(BASE64[:8] + "\n" + BASE64[8:], id="base64 with line breaks"),
        pytest.param(f"data:image/png;base64,{BASE64}", id="data url"),
    ],
)
def test_json_with_every_kind_of_item(http: httpx.Client, item: object) -> None:
    one = http.post("/predict", json={"image": item})
    many = http.post("/predict", json={"images": [item, item], "model": "toy"})

    assert [brightness(one), brightness(many), brightness(many, 1)] == pytest.approx([expected()] * 3, abs=1e-6)


def test_colour_pixels_for_a_colour_model_keep_height_and_width_apart(http: httpx.Client) -> None:
    pixels = rgb(height=2, width=6)

    as_lists = http.post("/predict?model=wide", json={"image": pixels.tolist()})
    as_file = http.post("/predict?model=wide", files={"image": encoded(pixels)})

    assert brightness(as_lists) == brightness(as_file) == pytest.approx(expected(pixels), abs=1e-6)
    assert not as_file.json()["predictions"][0]["resized"]


def test_an_image_of_another_size_is_scaled_and_the_answer_says_so(http: httpx.Client) -> None:
    answer = http.post("/predict", files={"image": encoded(grey(height=30, width=20))})

    prediction = answer.json()["predictions"][0]
    assert (prediction["resized"], prediction["original_size"]) == (True, {"width": 20, "height": 30})


def test_the_answer_names_model_version_runtime_and_device(http: httpx.Client) -> None:
    answer = http.post("/predict", files={"image": PNG})

    assert {key: answer.json()[key] for key in ("model", "version", "runtime", "device")} == {
        "model": "toy", "version": 2, "runtime": "onnxruntime", "device": "cpu",
    }
    assert answer.headers["x-weighbridge-model"] == "toy@2"


def test_an_exact_version_can_be_asked_for(http: httpx.Client) -> None:
    assert http.post("/predict?model=toy@1", files={"image": PNG}).json()["version"] == 1


@pytest.mark.parametrize("where", ["query", "form", "json", "both"])
def test_model_runtime_and_top_k_are_read_from_query_and_body(http: httpx.Client, where: str) -> None:
    fields = {"model": "toy@1", "runtime": "onnxruntime", "top_k": 1}
    query = fields if where in ("query", "both") else {}
    if where == "json":
        answer = http.post("/predict", params=query, json={"image": BASE64, **fields})
    else:
        data = {name: str(value) for name, value in fields.items()} if where in ("form", "both") else {}
        answer = http.post("/predict", params=query, files={"image": PNG}, data=data)

    assert answer.json()["version"] == 1
    assert len(answer.json()["predictions"][0]["top"]) == 1


def test_labels_come_in_falling_order_and_add_up_to_one(http: httpx.Client) -> None:
    prediction = http.post("/predict", files={"image": encoded(np.zeros((4, 4), np.uint8))}).json()["predictions"][0]

    assert [choice["label"] for choice in prediction["top"]] == ["dark", "bright"]
    assert (prediction["label"], prediction["index"]) == ("dark", 0)
    assert sum(choice["probability"] for choice in prediction["top"]) == pytest.approx(1, abs=1e-6)


def test_one_bad_image_fails_alone_and_its_neighbours_keep_their_places(http: httpx.Client) -> None:
    answer = http.post("/predict", json={"images": [BASE64, "!", IMAGE.tolist()]})

    parsed = PredictAnswer.model_validate_json(answer.content)
    assert answer.status_code == 207
    assert [item.status for item in parsed.predictions] == [200, 422, 200]
    assert answer.json()["predictions"][1]["error"]["field"] == "images.1"


def test_a_batch_in_which_every_image_is_bad_is_a_problem_that_lists_them(http: httpx.Client) -> None:
    answer = http.post("/predict", json={"images": ["!", [[0.5]]]})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["images.0", "images.1"]


def test_stages_of_server_timing_add_up_to_the_total_exactly(http: httpx.Client) -> None:
    header = http.post("/predict", files={"image": PNG}).headers["server-timing"]

    timed = [part.split(";dur=") for part in header.split(", ") if ";dur=" in part]
    stages = {name: round(float(ms) * 1000) for name, ms in timed}
    total = stages.pop("total")
    assert list(stages) == ["read", "parse", "decode", "queue", "infer", "encode"]
    assert total == sum(stages.values()) > 0


def test_a_sane_request_id_comes_back_and_another_is_replaced(http: httpx.Client) -> None:
    kept = http.post("/predict", files={"image": PNG}, headers={"X-Request-ID": "batch-7:3"})
    replaced = http.post("/predict", files={"image": PNG}, headers={"X-Request-ID": "a b<script>"})

    assert kept.headers["x-request-id"] == "batch-7:3"
    assert len(replaced.headers["x-request-id"]) == 16
