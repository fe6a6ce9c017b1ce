"""What a client can do wrong, sent to a real server: always a 4xx problem that says what and how to cure it."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pictures import bomb, encoded, grey, run_length

ProblemOf = Callable[[httpx.Response, int, str], dict[str, Any]]
PNG = encoded(grey())
JPEG = encoded(grey(64, 64), "JPEG")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
END = b"--b--\r\n"
RAW = {"Content-Type": "application/octet-stream"}


def part(name: str, data: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n' % (name.encode(), data)


def nested(depth: int) -> bytes:
    """Objects in objects, deeper than Python follows but not the parser."""
    return b'{"a":' * depth + b"1" + b"}" * depth


def deep(levels: int) -> bytes:
    return b'{"image":' + b"[" * levels + b"]" * levels + b"}"


def image_is(text: str) -> bytes:
    return b'{"image":%s}' % text.encode()


@pytest.mark.parametrize(
    ("body", "headers", "status", "slug"),
    [
        pytest.param(b"", {}, 415, "unsupported-media-type", id="nothing at all"),
        pytest.param(b"", {"Content-Type": "image/png"}, 422, "no-image", id="empty image"),
        pytest.param(b"", RAW, 422, "no-image", id="empty pixels"),
        pytest.param(b"", JSON, 400, "bad-json", id="empty json"),
        pytest.param(b"", FORM, 400, "bad-multipart", id="empty form"),
        pytest.param(END, FORM, 422, "no-image", id="form without parts"),
        pytest.param(part("model", b"toy") + END, FORM, 422, "no-image", id="form without image"),
        pytest.param(b"{}", JSON, 422, "no-image", id="json without image"),
        pytest.param(b'{"images":[]}', JSON, 422, "bad-value", id="json with no images"),
        pytest.param(PNG, {"Content-Type": "text/plain"}, 415, "unsupported-media-type", id="text/plain"),
        pytest.param(b"image=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type",
                     id="urlencoded form"),
        pytest.param(PNG[:50], {"Content-Type": "image/png"}, 422, "image-unreadable", id="broken png"),
        pytest.param(PNG[:8] + b"\xff" * 200, {"Content-Type": "image/png"}, 422, "image-unreadable", id="noise"),
        pytest.param(JPEG[: len(JPEG) // 2], {"Content-Type": "image/jpg"}, 422, "image-unreadable", id="half a jpeg"),
        pytest.param(b"RIFF\x04\x00\x00\x00WAVE", {"Content-Type": "image/webp"}, 422, "image-unreadable", id="sound"),
        pytest.param(encoded(grey(), "GIF"), {"Content-Type": "image/png"}, 415, "unsupported-image-format",
                     id="gif called png"),
        pytest.param(b"hello", {"Content-Type": "image/png"}, 415, "unsupported-image-format", id="text called png"),
        pytest.param(bomb(), {"Content-Type": "image/png"}, 413, "image-too-large", id="200 megapixels"),
        pytest.param(bytes(17), RAW, 422, "wrong-shape", id="raw pixels, one too many"),
        pytest.param(bytes(15), RAW, 422, "wrong-shape", id="raw pixels, one too few"),
        pytest.param(bytes(16 * 10_000), RAW, 413, "too-many-images", id="10,000 images as raw pixels"),
        pytest.param(json.dumps({"images": [[[0] * 4] * 4] * 1000}).encode(), JSON, 413, "too-many-images",
                     id="1,000 images as json"),
        pytest.param(json.dumps({"images": [[[0] * 4] * 4] * 10_000}).encode(), JSON, 413, "body-too-large",
                     id="10,000 images as json"),
        pytest.param(part("images", PNG) * 10_000 + END, FORM, 413, "too-many-images", id="10,000 images as form"),
        pytest.param(image_is("[[NaN,0,0,0]]"), JSON, 422, "bad-pixels", id="NaN"),
        pytest.param(image_is("[[Infinity]]"), JSON, 422, "bad-pixels", id="infinity"),
        pytest.param(image_is(json.dumps([[0.5] * 4] * 4)), JSON, 422, "bad-pixels", id="floats"),
        pytest.param(image_is(json.dumps([[1.0] * 4] * 4)), JSON, 422, "bad-pixels", id="whole floats"),
        pytest.param(image_is(json.dumps([[True] * 4] * 4)), JSON, 422, "bad-pixels", id="booleans"),
        pytest.param(image_is(json.dumps([["1"] * 4] * 4)), JSON, 422, "bad-pixels", id="strings"),
        pytest.param(image_is(json.dumps([[None] * 4] * 4)), JSON, 422, "bad-pixels", id="nulls"),
        pytest.param(image_is(json.dumps([[256] * 4] * 4)), JSON, 422, "bad-pixels", id="256"),
        pytest.param(image_is(json.dumps([[-1] * 4] * 4)), JSON, 422, "bad-pixels", id="minus one"),
        pytest.param(image_is(json.dumps([[10**400] * 4] * 4)), JSON, 422, "bad-pixels", id="a number of 400 digits"),
        pytest.param(image_is("[[" + "9" * 5000 + "]]"), JSON, 400, "bad-json", id="a number of 5,000 digits"),
        pytest.param(image_is("[[1,2,3,4],[1,2,3,4],[1,2,3],[1,2,3,4]]"), JSON, 422, "wrong-shape", id="ragged"),
        pytest.param(image_is("[[1,2,3,4],[1,2,[3],4]]"), JSON, 422, "wrong-shape", id="mixed depth"),
        pytest.param(image_is("[]"), JSON, 422, "wrong-shape", id="an empty list"),
        pytest.param(image_is("[[]]"), JSON, 422, "wrong-shape", id="an empty row"),
        pytest.param(image_is("[1,2,3,4]"), JSON, 422, "wrong-shape", id="a flat list"),
        pytest.param(image_is(json.dumps([[0] * 5] * 4)), JSON, 422, "wrong-shape", id="4 x 5"),
        pytest.param(image_is(json.dumps([[[0] * 3] * 4] * 4)), JSON, 422, "wrong-shape", id="colour for a grey model"),
        pytest.param(image_is("17"), JSON, 422, "bad-value", id="a number for an image"),
        pytest.param(image_is('{"a":1}'), JSON, 422, "bad-value", id="an object for an image"),
        pytest.param(image_is('"?"'), JSON, 422, "image-unreadable", id="not base64"),
        pytest.param(image_is('"aGVsbG8="'), JSON, 415, "unsupported-image-format", id="base64 of text"),
        pytest.param(image_is('"data:image/png,abc"'), JSON, 422, "image-unreadable", id="data url without base64"),
        pytest.param(image_is('"https://example.org/shoe.png"'), JSON, 422, "image-unreadable", id="a url"),
        pytest.param(deep(10_000), JSON, 400, "bad-json", id="deeply nested json"),
        pytest.param(deep(150), JSON, 422, "wrong-shape", id="nested too deep for an image"),
        pytest.param(b'{"images":[%b]}' % nested(1010), JSON, 422, "bad-value", id="nested objects for an image"),
        pytest.param(image_is(f"[[{nested(1010).decode()}]]"), JSON, 422, "bad-pixels",
                     id="nested objects for a pixel"),
        pytest.param(b'{"image":"\xff\xfe"}', JSON, 400, "bad-json", id="json that is not utf-8"),
        pytest.param(b'{"image":', JSON, 400, "bad-json", id="json that ends early"),
        pytest.param(b"[1]", JSON, 422, "bad-value", id="json that is no object"),
        pytest.param(b'{"imgae":"x"}', JSON, 422, "bad-value", id="a misspelt field"),
        pytest.param(b'{"image":"x","top_k":"3"}', JSON, 422, "bad-value", id="top_k as a string"),
        pytest.param(b'{"image":"x","images":["x"]}', JSON, 422, "contradiction", id="image and images"),
        pytest.param(part("image", PNG), FORM, 400, "bad-multipart", id="a form that never ends"),
        pytest.param(b"garbage", FORM, 400, "bad-multipart", id="a form of garbage"),
        pytest.param(part("image", PNG) + END, {"Content-Type": "multipart/form-data"}, 400, "bad-multipart",
                     id="no boundary"),
        pytest.param(part("image", PNG) + END, {"Content-Type": "multipart/form-data; boundary=other"}, 400,
                     "bad-multipart", id="another boundary"),
        pytest.param(part("image", PNG) + part("colour", b"x") + END, FORM, 422, "bad-value", id="unknown field"),
        pytest.param(part("image", PNG) + part("model", b"\xff") + END, FORM, 400, "bad-multipart",
                     id="a field that is not utf-8"),
        pytest.param(part("image", PNG) + part("model", b"toy") + part("model", b"wide") + END, FORM, 422,
                     "contradiction", id="a field with two values"),
        pytest.param(bytes(3_000_001), RAW, 413, "body-too-large", id="a body over the limit"),
        pytest.param(run_length(999, 999), {"Content-Type": "image/bmp"}, 415, "unsupported-image-format",
                     id="a run-length encoded bmp"),
        pytest.param(b'{"image":[' + b"0," * 500_000 + b"0]}", JSON, 413, "body-too-large", id="half a million rows"),
        pytest.param(b'{"image":[' + b"[]," * 500_000 + b"[]]}", JSON, 413, "body-too-large", id="empty lists"),
        pytest.param(b'{"images":[' + b'"",' * 500_000 + b'""]}', JSON, 413, "body-too-large", id="empty texts"),
        pytest.param(b'{"images":[' + b"{}," * 500_000 + b"{}]}", JSON, 413, "body-too-large", id="empty objects"),
        pytest.param(b'{"image":{' + b'"":0,' * 500_000 + b'"":0}}', JSON, 413, "body-too-large", id="many members"),
    ],
)
def test_a_bad_body_is_a_problem(
    http: httpx.Client, problem_of: ProblemOf, body: bytes, headers: dict[str, str], status: int, slug: str
) -> None:
    assert problem_of(http.post("/predict", content=body, headers=headers), status, slug)["cure"]


@pytest.mark.parametrize(
    ("query", "status", "slug"),
    [
        ("model=nope", 404, "unknown-model"),
        ("model=toy@9", 404, "unknown-model"),
        ("model=../../etc/passwd", 404, "unknown-model"),
        ("runtime=abacus", 404, "unknown-runtime"),
        ("runtime=torchscript", 409, "runtime-unavailable"),
        ("top_k=0", 422, "bad-value"),
        ("top_k=-1", 422, "bad-value"),
        ("top_k=1000", 422, "bad-value"),
        ("top_k=x", 422, "bad-value"),
        ("top_k=", 422, "bad-value"),
        ("topk=3", 422, "bad-value"),
        ("top_k=1&top_k=2", 422, "contradiction"),
    ],
)
def test_a_bad_parameter_is_a_problem(
    http: httpx.Client, problem_of: ProblemOf, query: str, status: int, slug: str
) -> None:
    assert problem_of(http.post(f"/predict?{query}", files={"image": PNG}), status, slug)["cure"]


def test_an_unknown_model_lists_the_known_ones(http: httpx.Client, problem_of: ProblemOf) -> None:
    problem = problem_of(http.post("/predict?model=nope", files={"image": PNG}), 404, "unknown-model")

    assert (problem["field"], problem["cure"]) == ("model", "use one of broken, toy, wide")


def test_query_and_body_that_disagree_are_not_guessed_about(http: httpx.Client, problem_of: ProblemOf) -> None:
    answer = http.post("/predict?model=toy", files={"image": PNG}, data={"model": "wide"})

    assert problem_of(answer, 422, "contradiction")["field"] == "model"


def test_a_model_that_failed_its_checks_says_why(http: httpx.Client, problem_of: ProblemOf) -> None:
    problem = problem_of(http.post("/predict?model=broken", files={"image": PNG}), 503, "not-ready")

    assert "model.onnx has 11 bytes" in problem["detail"]


def test_limits_stand_in_the_problem(http: httpx.Client, problem_of: ProblemOf) -> None:
    answer = http.post("/predict", content=bomb(), headers={"Content-Type": "image/png"})

    problem = problem_of(answer, 413, "image-too-large")
    assert problem["limit"] == 1_000_000
    assert "20000 x 10000" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/predict", 405, "method-not-allowed"),
        ("DELETE", "/models", 405, "method-not-allowed"),
        ("GET", "/nope", 404, "not-found"),
        ("GET", "/pages/..%2Fapp.py", 404, "not-found"),
        ("GET", "/splits/nope/images/0.png", 404, "unknown-split"),
        ("GET", "/splits/halves/images/300.png", 404, "not-found"),
        ("GET", "/splits/halves/images/-1.png", 404, "not-found"),
        ("GET", f"/splits/halves/images/{'9' * 5000}.png", 404, "not-found"),
        ("GET", "/models/nope", 404, "unknown-model"),
        ("GET", "/models/toy@9", 404, "unknown-model"),
    ],
)
def test_an_address_nobody_answers_is_a_problem(
    http: httpx.Client, problem_of: ProblemOf, method: str, path: str, status: int, slug: str
) -> None:
    answer = http.request(method, path)

    problem_of(answer, status, slug)
    assert ("allow" in answer.headers) == (status == 405)


def talk(url: str, request: bytes, *, ends: bool = True) -> bytes:
    """Send bytes that no client library would, and perhaps that there will be no more; read until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(length: int) -> bytes:
    return b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % length


def test_a_content_length_over_the_limit_is_refused_before_the_body_comes(http: httpx.Client) -> None:
    answer = talk(str(http.base_url).rstrip("/"), head(10**9))

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"urn:weighbridge:problem:body-too-large" in answer


def test_a_client_that_promises_more_than_it_sends_leaves_the_server_well(http: httpx.Client) -> None:
    talk(str(http.base_url).rstrip("/"), head(len(PNG) + 100) + PNG)

    assert http.post("/predict", files={"image": PNG}).status_code == 200


def test_a_client_that_sends_more_than_it_promises_is_answered_and_told_that_the_rest_is_no_request(
    http: httpx.Client,
) -> None:
    answer = talk(str(http.base_url).rstrip("/"), head(len(PNG)) + PNG + b"more", ends=False)

    # What follows the promised bytes is the next request of the connection, which is refused in its turn.
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"400"]
    assert http.get("/livez").status_code == 200


def test_a_body_without_a_length_is_counted_as_it_comes(http: httpx.Client, problem_of: ProblemOf) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield bytes(100_000)

    answer = http.post("/predict", content=endless(), headers=RAW)

    problem_of(answer, 413, "body-too-large")


def test_a_client_that_is_still_sending_sees_why_it_was_refused(http: httpx.Client) -> None:
    refused = head(8_000_000).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + bytes(8_000_000)

    answer = talk(str(http.base_url).rstrip("/"), refused)

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"urn:weighbridge:problem:body-too-large" in answer
