"""What a server says about itself: models, splits, readiness, metrics, and the pages for people."""

from __future__ import annotations

import io
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from pictures import encoded, grey
from PIL import Image
from toy import CLASSES

from service.browse import FILES, VIEWER
from service.jobs import answers as jobs
from service.oip import paths as oip
from service.splits import Split
from service.wire import ModelList, ModelVersions, Readiness, SplitList


def test_models_lists_every_version_with_its_card_and_why_one_is_not_ready(http: httpx.Client) -> None:
    listed = ModelList.model_validate_json(http.get("/models").content)

    assert [(each.name, each.version, each.ready) for each in listed.models] == [
        ("broken", 1, False), ("toy", 1, True), ("toy", 2, True), ("wide", 1, True),
    ]
    assert listed.default == "toy@2"
    assert "model.onnx has 11 bytes" in (listed.models[0].reason or "")
    assert all(each.card for each in listed.models)


def test_a_bare_name_is_its_newest_ready_version(http: httpx.Client) -> None:
    found = ModelVersions.model_validate_json(http.get("/models/toy").content)

    assert (found.versions, found.model.version) == ([1, 2], 2)


def test_an_exact_version_and_a_failed_one_can_be_looked_at(http: httpx.Client) -> None:
    assert http.get("/models/toy@1").json()["model"]["version"] == 1
    assert http.get("/models/broken").json()["model"]["ready"] is False


def test_runtimes_that_cannot_be_used_say_why(http: httpx.Client) -> None:
    runtimes = {each["name"]: each for each in http.get("/models/toy").json()["model"]["runtimes"]}

    assert runtimes["onnxruntime"]["usable"]
    assert runtimes["onnxruntime"]["threads"] == 1
    assert runtimes["torchscript"]["reason"] == "toy@2 was not exported as torchscript"


def test_splits_are_listed_with_their_hash_and_licence(http: httpx.Client) -> None:
    (split,) = SplitList.model_validate_json(http.get("/splits").content).splits

    assert (split.name, split.count, split.shape, split.licence) == ("halves", 300, (4, 4, 1), "CC0")


def test_an_image_of_a_split_is_a_png_that_predicts_as_its_pixels_do(http: httpx.Client, models: Path) -> None:
    answer = http.get("/splits/halves/images/3.png")

    images, labels = Split.find(models / "splits" / "halves").load()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), images[3, :, :, 0])
    assert answer.headers["x-weighbridge-label"] == CLASSES[labels[3]]


def test_ready_means_the_default_model_is_and_the_failed_one_is_named(http: httpx.Client) -> None:
    answer = http.get("/readyz")
    readiness = Readiness.model_validate_json(answer.content)

    assert answer.status_code == 200
    assert {each.model: each.state for each in readiness.models} == {
        "broken@1": "failed", "toy@1": "ready", "toy@2": "ready", "wide@1": "ready",
    }
    assert http.get("/livez").text == "alive\n"


def test_metrics_count_requests_by_route_template_and_known_model_only(http: httpx.Client) -> None:
    http.post("/predict?model=toy@1", files={"image": encoded(grey())})
    http.post("/predict?model=never-heard-of", files={"image": encoded(grey())})
    http.get("/some/path/nobody/serves")

    text = http.get("/metrics").text
    assert re.search(r'weighbridge_requests_total\{method="POST",route="/predict",status="200"\} [1-9]', text)
    assert re.search(r'weighbridge_stage_seconds_count\{model="toy@1",runtime="\w+",stage="infer"\} [1-9]', text)
    assert re.search(r'weighbridge_problems_total\{problem="unknown-model"\} [1-9]', text)
    assert 'route="unmatched"' in text
    assert 'weighbridge_model_ready{model="broken@1"} 0.0' in text
    assert "never-heard-of" not in text
    assert "/some/path" not in text


OURS = [f"/pages/{name}" for name in FILES if not name.startswith("vendor/") and name != VIEWER]


@pytest.mark.parametrize("path", ["/", "/docs", *OURS])
def test_pages_load_nothing_from_elsewhere(http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert answer.status_code == 200
    text = re.sub(r'\s// .*|^// .*|xmlns="[^"]*"', "", answer.text, flags=re.MULTILINE)
    assert not re.search(r"(https?:)?//\w", text)
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_the_document_names_every_route_that_programs_use(http: httpx.Client) -> None:
    paths = set(http.get("/docs.json").json()["paths"])

    assert paths == {
        "/predict", "/evaluate", "/models", "/models/{name}", "/splits", "/splits/{name}/images/{place}.png",
        "/readyz", "/livez", "/metrics", "/models/reload", "/routes", "/predict/input", "/predict/saliency",
        "/leaderboard", "/live", "/reports", "/reports/{run}/{file}", *(route.path for route in oip.ROUTES),
        *(route.path for route in jobs.ROUTES),
    }
