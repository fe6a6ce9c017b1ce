"""Files of labelled images sent to a real server, and the documents that come back."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from pictures import encoded
from toy import CLASSES, probabilities

from service.problems import Problem
from service.scorecard import chosen_format
from service.version import VERSION
from service.wire import EvaluateAnswer

ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
IMAGES = np.random.default_rng(3).integers(0, 256, (20, 4, 4), dtype=np.uint8)
LABELS = probabilities(IMAGES[..., None]).argmax(axis=1)
LABELS[:3] ^= 1


@pytest.fixture
def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=IMAGES, labels=LABELS)
    return buffer.getvalue()


@pytest.fixture
def folders() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
            archive.writestr(f"{CLASSES[label]}/<{place}>.png", encoded(image))
    return buffer.getvalue()


def test_an_upload_is_scored_and_compared_in_one_request(http: httpx.Client, npz: bytes) -> None:
    answer = http.post("/evaluate", files={"data": npz}, data={"model": "toy@1", "compare": "toy@2"})

    found = EvaluateAnswer.model_validate_json(answer.content)
    assert (found.count, found.correct, found.split.name) == (20, 17, "uploaded")
    assert found.comparison is not None
    assert (found.comparison.other.version, found.comparison.only_first, found.comparison.p_value) == (2, 0, 1.0)
    assert sorted(each.place for each in found.mistakes) == [0, 1, 2]
    assert all(each.thumbnail is None for each in found.mistakes)


def test_limit_takes_the_first_of_an_upload(http: httpx.Client, npz: bytes) -> None:
    assert http.post("/evaluate?limit=3", files={"data": npz}).json()["correct"] == 0


def test_a_mistake_is_known_by_its_file(http: httpx.Client, folders: bytes) -> None:
    mistakes = http.post("/evaluate", files={"data": folders}).json()["mistakes"]

    assert {each["name"] for each in mistakes} == {f"{CLASSES[LABELS[i]]}/<{i}>.png" for i in range(3)}


def test_the_csv_has_every_figure_once(http: httpx.Client, npz: bytes) -> None:
    answer = http.post("/evaluate?format=csv", files={"data": npz}, data={"compare": "toy@1"})

    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    keys = [(row["model"], row["metric"], row["class"], row["other"]) for row in rows]
    assert len(set(keys)) == len(keys)
    value = {key: float(row["value"]) for key, row in zip(keys, rows, strict=True)}
    assert value["toy@2", "accuracy", "", ""] == 0.85
    assert value["toy@2 - toy@1", "p_value", "", ""] == 1.0
    assert sum(each for key, each in value.items() if key[:2] == ("toy@1", "confusion")) == 20


def test_the_page_needs_nothing_else_and_believes_no_file_name(http: httpx.Client, folders: bytes) -> None:
    answer = http.post("/evaluate", files={"data": folders}, headers={"Accept": "text/html"})

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.count("data:image/png;base64,") == 3
    assert "&lt;0&gt;.png" in answer.text
    assert "<0>" not in answer.text
    assert "http" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_saved_evaluation_says_what_was_scored_when_and_by_what(http: httpx.Client) -> None:
    asked = {"model": "toy@1", "split": "halves", "limit": 50, "compare": "toy@2"}

    page = http.post("/evaluate?format=html", json=asked).text

    sha256 = http.get("/splits").json()["splits"][0]["sha256"]
    assert "<title>toy@1 against toy@2 on halves</title>" in page
    assert "50 of 300 images (limit)" in page
    assert f"Split halves, SHA-256 {sha256}." in page
    assert re.search(rf"Evaluated at \d{{4}}-\d\d-\d\d \d\d:\d\d UTC by Weighbridge {re.escape(VERSION)}\.", page)
    assert "<td>difference of accuracy, points</td><td>+0.00 [" in page


def test_the_reliability_of_a_saved_evaluation_is_readable_without_its_picture(http: httpx.Client) -> None:
    page = http.post("/evaluate?format=html", json={"model": "toy@1", "split": "halves"}).text

    assert "role=img aria-label='How often the model is right" in page
    assert all(f">{words}</text>" in page for words in ("how sure", "how often right", "50%"))
    assert "<th>sure</th><th>right</th><th>images</th>" in page
    assert "opacity='.35'" in page  # some bins have few images


def test_models_of_other_classes_or_sizes_are_not_compared_in_silence(
    http: httpx.Client, npz: bytes, problem_of: ProblemOf
) -> None:
    problem_of(http.post("/evaluate", files={"data": npz}, data={"compare": "wide"}), 422, "wrong-shape")


@pytest.mark.parametrize(
    ("files", "fields", "slug"), [
        ({"data": b"x,y"}, {}, "unsupported-media-type"),
        ({"data": b"x,y", "images": b"x"}, {"labels": "0"}, "contradiction"),
        ({"images": b"x"}, {"labels": "0", "limit": "1"}, "bad-value"),
        ({"images": b"x"}, {"labels": "0", "job": "true"}, "bad-value"),
        ({"data": b"x"}, {"job": "maybe"}, "bad-value"),
        ({"data": b"x"}, {"split": "halves"}, "bad-value"),
    ],
)
def test_what_does_not_go_together_is_a_problem(
    http: httpx.Client, files: dict[str, bytes], fields: dict[str, str], slug: str
) -> None:
    problem = http.post("/evaluate", files=files, data=fields).json()

    assert problem["type"] == f"urn:weighbridge:problem:{slug}", problem
    assert problem["cure"]


@pytest.mark.parametrize(
    ("query", "accept", "kind"), [
        ({}, "*/*", "json"), ({}, "text/html,application/xhtml+xml;q=0.9", "html"), ({}, "text/csv", "csv"),
        ({"format": "csv"}, "text/html", "csv"), ({}, "", "json"), ({}, "image/png, application/json", "json"),
    ],
)
def test_the_query_decides_the_format_and_else_the_header(query: dict[str, str], accept: str, kind: str) -> None:
    assert chosen_format(query, accept) == kind


def test_another_format_is_refused() -> None:
    with pytest.raises(Problem, match="format is 'pdf'"):
        chosen_format({"format": "pdf"}, "")
