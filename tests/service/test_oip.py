"""The Open Inference Protocol, spoken by NVIDIA's own client: tritonclient.http as it comes."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from pictures import bomb, encoded, grey
from process import Process
from toy import CLASSES, probabilities
from tritonclient.utils import InferenceServerException

from service.bodies import Bodies
from service.gone import NEVER
from service.metrics import Metrics
from service.oip.packed import MOST_STREAMS, PIECE, Packed
from service.oip.tensors import InferAsk, write_answer
from service.problems import Problem
from service.routing import classify
from service.settings import Settings

ClientOf = Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]

RANDOM = np.random.default_rng(5).bytes(3 * PIECE + 7)
IMAGES = np.random.default_rng(3).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def client(server: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def pixels(images: np.ndarray = IMAGES, *, binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("image", list(images.shape), "UINT8")
    return [tensor.set_data_from_numpy(images, binary_data=binary)]


def files(*contents: bytes, shape: list[int] | None = None) -> list[triton.InferInput]:
    array = np.array(contents, dtype=np.object_).reshape(shape or [len(contents)])
    return [triton.InferInput("encoded", list(array.shape), "BYTES").set_data_from_numpy(array)]


def outputs(**options: Any) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput("probabilities", **options)]


def refusal(call: Callable[[], object]) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return caught.value


def test_the_server_says_that_it_is_live_ready_and_what_it_can_do(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata["name"] == "weighbridge"
    assert {"binary_tensor_data", "classification", "model_repository"} <= set(metadata["extensions"])


def test_a_model_is_ready_by_name_and_by_version_and_another_is_not(client: triton.InferenceServerClient) -> None:
    assert client.is_model_ready("toy")
    assert client.is_model_ready("toy", "1")
    assert not client.is_model_ready("toy", "9")
    assert not client.is_model_ready("broken")
    assert not client.is_model_ready("nobody")


def test_metadata_and_configuration_give_names_types_and_shapes(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("wide")

    assert metadata == {
        "name": "wide", "versions": ["1"], "platform": "onnxruntime_onnx",
        "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, 2, 6, 3]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }
    assert client.get_model_metadata("toy", "1")["versions"] == ["1", "2"]
    config = client.get_model_config("wide")
    assert (config["max_batch_size"], config["input"][0]["dims"]) == (256, [2, 6, 3])


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("asked", [None, {"binary_data": True}, {"binary_data": False}])
def test_every_mixture_of_json_and_binary_gives_the_same_probabilities(
    client: triton.InferenceServerClient, binary_in: bool, asked: dict[str, bool] | None
) -> None:
    result = client.infer(
        "toy", pixels(binary=binary_in), outputs=None if asked is None else outputs(**asked), request_id="mine"
    )

    np.testing.assert_allclose(result.as_numpy("probabilities"), probabilities(IMAGES), atol=1e-5)
    answer = result.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("mine", "toy", "2")


@pytest.mark.parametrize("binary", [True, False])
def test_classification_gives_score_index_and_label_best_first(
    client: triton.InferenceServerClient, binary: bool
) -> None:
    result = client.infer("toy", pixels(), outputs=outputs(class_count=7, binary_data=binary), model_version="1")

    found = result.as_numpy("probabilities")
    assert found.shape == (5, 2)  # a model of two classes has no seven
    for row, expected in zip(found, probabilities(IMAGES), strict=True):
        texts = [each.decode() if isinstance(each, bytes) else each for each in row]
        best = int(expected.argmax())
        assert texts[0] == f"{expected[best]:f}:{best}:{CLASSES[best]}"


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_encoded_files_go_through_the_decoder_of_predict(
    client: triton.InferenceServerClient, http: httpx.Client, shape: list[int]
) -> None:
    pictures = [encoded(grey(9, 7)), encoded(grey(4, 4, seed=5), "BMP")]

    found = client.infer("toy", files(*pictures, shape=shape)).as_numpy("probabilities")

    told = http.post("/predict", files=[("images", each) for each in pictures]).json()["predictions"]
    np.testing.assert_allclose(found.max(axis=1), [each["probability"] for each in told], atol=1e-6)


def test_a_compressed_request_is_read(client: triton.InferenceServerClient) -> None:
    for algorithm in ("gzip", "deflate"):
        result = client.infer("toy", pixels(), request_compression_algorithm=algorithm)
        np.testing.assert_allclose(result.as_numpy("probabilities"), probabilities(IMAGES), atol=1e-5)


def test_the_index_lists_every_version_with_its_state_and_reason(client: triton.InferenceServerClient) -> None:
    index = {(each["name"], each["version"]): each for each in client.get_model_repository_index()}

    assert {key: each["state"] for key, each in index.items()} == {
        ("broken", "1"): "UNAVAILABLE", ("toy", "1"): "READY", ("toy", "2"): "READY", ("wide", "1"): "READY",
    }
    assert "model.onnx has 11 bytes" in index["broken", "1"]["reason"]


def test_statistics_count_images_and_where_their_time_went(client: triton.InferenceServerClient) -> None:
    def count() -> int:
        (found,) = client.get_inference_statistics("wide", "1")["model_stats"]
        assert found["inference_stats"]["compute_infer"]["count"] == found["execution_count"]
        return int(found["inference_count"])

    before = count()
    client.infer("wide", pixels(np.zeros((3, 2, 6, 3), np.uint8)))

    assert count() - before == 3
    assert len(client.get_inference_statistics()["model_stats"]) == 4


def test_changing_what_is_served_is_refused_unless_the_operator_allows_it(
    client: triton.InferenceServerClient,
) -> None:
    for call in (client.load_model, client.unload_model):
        error = refusal(lambda call=call: call("toy"))  # type: ignore[misc]
        assert (error.status(), "WEIGHBRIDGE_CONTROL=true" in error.message()) == ("403", True)


@pytest.mark.parametrize(("call", "status", "said"), [
    (lambda c: c.infer("nobody", pixels()), "404", "there is no model 'nobody'"),
    (lambda c: c.infer("toy", pixels(), model_version="9"), "404", "there is no model 'toy@9'"),
    (lambda c: c.infer("broken", pixels()), "503", "model.onnx has 11 bytes"),
    (lambda c: c.infer("wide", pixels()), "422", "the model takes [-1, 2, 6, 3]"),
    (lambda c: c.infer("toy", pixels(np.zeros((0, 4, 4, 1), np.uint8))), "422", "holds no image"),
    (lambda c: c.infer("toy", pixels(np.zeros((257, 4, 4, 1), np.uint8))), "413", "257 images"),
    (lambda c: c.infer("toy", pixels() * 2), "422", "there are 2 inputs"),
    (lambda c: c.infer("toy", files(encoded(grey()), b"no image")), "415", "encoded.1"),
    (lambda c: c.infer("toy", files(bomb())), "413", "the limit is 1000000"),
    (lambda c: c.infer("toy", pixels(), outputs=[triton.InferRequestedOutput("x")]), "422", "no output 'x'"),
    (lambda c: c.infer("toy", pixels(), outputs=outputs() + outputs(class_count=1)), "422", "name each output once"),
    (lambda c: c.infer("toy", pixels(), parameters={"runtime": "abacus"}), "404", "there is no runtime 'abacus'"),
    (lambda c: c.infer("toy", pixels(), parameters={"mood": 1}), "422", "'mood' is not read here"),
    (lambda c: c.infer("toy", pixels(), sequence_id=1), "422", "'sequence_id' is not read here"),
    (lambda c: c.get_model_metadata("nobody"), "404", "there is no model 'nobody'"),
    (lambda c: c.get_inference_statistics("toy", "9"), "404", "no version '9'"),
    (lambda c: c.get_system_shared_memory_status(), "404", "nothing answers"),
])
def test_what_cannot_be_answered_is_an_error_that_the_client_understands(
    client: triton.InferenceServerClient, call: Callable[[Any], object], status: str, said: str
) -> None:
    error = refusal(lambda: call(client))

    assert error.status() == status
    assert said in error.message()


PNG64 = "iVBORw0KGgo="
GOOD = {"name": "image", "shape": [1, 4, 4, 1], "datatype": "UINT8", "data": list(range(16))}


@pytest.mark.parametrize(("tensor", "status"), [
    ({**GOOD, "data": [[list(range(8))], [list(range(8))]]}, 200),
    ({**GOOD, "data": [[1, 2], 3]}, 422),
    ({**GOOD, "data": list(range(15))}, 422),
    ({**GOOD, "data": [256] * 16}, 422),
    ({**GOOD, "data": [0.5] * 16}, 422),
    ({**GOOD, "data": ["0"] * 16}, 422),
    ({**GOOD, "data": [True] * 16}, 422),
    ({**GOOD, "data": None}, 422),
    ({**GOOD, "datatype": "FP32"}, 422),
    ({**GOOD, "shape": [1, 16]}, 422),
    ({**GOOD, "shape": [-1, 4, 4, 1]}, 422),
    ({**GOOD, "shape": [10**30, 4, 4, 1]}, 413),
    ({**GOOD, "shape": []}, 422),
    ({**GOOD, "name": "picture"}, 422),
    ({**GOOD, "parameters": {"binary_data_size": 16}}, 422),
    ({**GOOD, "parameters": {"shared_memory_region": "x"}}, 422),
    ({"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [PNG64]}, 422),
    ({"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [7]}, 422),
    ({"name": "encoded", "shape": [2], "datatype": "BYTES", "data": [PNG64]}, 422),
    ({"name": "encoded", "shape": [1], "datatype": "UINT8", "data": [PNG64]}, 422),
])
def test_json_tensors_are_checked_to_the_last_value(http: httpx.Client, tensor: dict[str, Any], status: int) -> None:
    answer = http.post("/v2/models/toy/infer", json={"inputs": [tensor]})

    assert answer.status_code == status, answer.text
    if status != 200:
        assert list(answer.json()) == ["error"]
        assert answer.headers["x-weighbridge-problem"]
        assert answer.headers["x-request-id"]


HEAD = json.dumps({"inputs": [{
    "name": "image", "shape": [1, 4, 4, 1], "datatype": "UINT8", "parameters": {"binary_data_size": 16},
}]}).encode()
FILE_HEAD = HEAD.replace(b"UINT8", b"BYTES").replace(b"image", b"encoded").replace(b"[1, 4, 4, 1]", b"[1]")


@pytest.mark.parametrize(("body", "headers", "status"), [
    (HEAD + bytes(16), {"Inference-Header-Content-Length": str(len(HEAD))}, 200),
    (HEAD + bytes(15), {"Inference-Header-Content-Length": str(len(HEAD))}, 422),
    (HEAD + bytes(17), {"Inference-Header-Content-Length": str(len(HEAD))}, 422),
    (HEAD + bytes(16), {"Inference-Header-Content-Length": str(len(HEAD) - 1)}, 400),
    (HEAD + bytes(16), {"Inference-Header-Content-Length": "99999"}, 422),
    (HEAD + bytes(16), {"Inference-Header-Content-Length": "9" * 5000}, 422),
    (HEAD + bytes(16), {"Inference-Header-Content-Length": "-1"}, 422),
    (HEAD + bytes(16), {}, 400),
    (FILE_HEAD + b"\xff" * 16, {"Inference-Header-Content-Length": str(len(FILE_HEAD))}, 422),
    (FILE_HEAD + bytes(16), {"Inference-Header-Content-Length": str(len(FILE_HEAD))}, 422),
    (b"", {}, 400),
    (b"[" * 10_000, {}, 400),
    (b"[" * 100_000, {}, 413),
    (b'{"inputs": [%b]}' % (b"[]," * 100_000), {}, 413),
    (b"no gzip", {"Content-Encoding": "gzip"}, 400),
    (gzip.compress(b"{}", mtime=0)[:-5], {"Content-Encoding": "gzip"}, 400),
    (gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}, 413),
    (b"{}", {"Content-Encoding": "br"}, 415),
    (HEAD, {"Inference-Header-Content-Length": "0" * 5000}, 422),
    (b'{"parameters": {"timeout": 1%s}, ' % (b"0" * 400) + HEAD[1:], {}, 422),
    (b'{"parameters": {"timeout": -1}, ' + HEAD[1:], {}, 422),
])
def test_a_broken_body_is_an_error_and_never_a_failure(
    http: httpx.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = http.post("/v2/models/toy/infer", content=body, headers=headers)

    assert answer.status_code == status, answer.text
    assert ("error" in answer.json()) == (status != 200)


@pytest.mark.parametrize(("microseconds", "seconds"), [(500_000, 0.5), (60_000_000, 2.0), (0, None)])
def test_a_timeout_can_only_shorten_what_the_server_allows(
    models: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, microseconds: int, seconds: float | None
) -> None:
    heard: list[float | None] = []

    async def classify(*arguments: Any, deadline_ns: int | None, **_: Any) -> None:
        visit = arguments[3]
        heard.append(None if deadline_ns is None else (deadline_ns - visit.watch.started) / 1e9)
        raise Problem("overloaded", "enough was heard", retry_after_s=1)

    async def ask() -> None:
        async with client_of(Settings(models=(models,), timeout_s=2)) as client:
            await client.post("/v2/models/toy/infer", json={
                "inputs": [{"name": "image", "shape": [1, 4, 4, 1], "datatype": "UINT8", "data": [0] * 16}],
                "parameters": {"timeout": microseconds},
            })

    monkeypatch.setattr("service.oip.infer.classify", classify)
    anyio.run(ask)

    assert heard == [seconds]


@pytest.mark.parametrize(("inline_ms", "thread"), [(0.0, "decode"), (1000.0, "MainThread")])
def test_a_large_answer_is_written_where_it_holds_up_nobody(
    models: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, inline_ms: float, thread: str
) -> None:
    heard: list[str] = []

    def write(*arguments: Any) -> Any:
        heard.append(threading.current_thread().name)
        return write_answer(*arguments)

    async def ask() -> httpx.Response:
        async with client_of(Settings(models=(models,), inline_ms=inline_ms)) as client:
            return await client.post("/v2/models/toy/infer", json={
                "inputs": [GOOD], "outputs": [{"name": "probabilities", "parameters": {"classification": 2}}]})

    monkeypatch.setattr("service.oip.infer.write_answer", write)
    answer = anyio.run(ask)

    assert answer.status_code == 200, answer.text
    assert answer.json()["outputs"][0]["shape"] == [1, 2]
    assert heard[0].startswith(thread)


@pytest.mark.parametrize("name", ["image", "encoded"])
def test_what_a_packed_body_unpacks_to_is_held_until_the_answer_and_its_files_no_longer_than_they_are_needed(
    models: Path, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = {"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(encoded(grey())).decode()]}
    body = json.dumps({"inputs": [GOOD if name == "image" else file]}).encode() + b" " * 200_000
    seen: list[int] = []

    async def ask() -> tuple[httpx.Response, int]:
        async with client_of(Settings(models=(models,), default_model="toy")) as client:
            bodies = client.app.state.worker.bodies  # type: ignore[attr-defined]

            async def looking(*arguments: Any, **more: Any) -> Any:
                gc.collect()
                seen.extend([bodies.held, sum(type(each) is InferAsk for each in gc.get_objects())])
                return await classify(*arguments, **more)

            monkeypatch.setattr("service.oip.infer.classify", looking)
            answer = await client.post(
                "/v2/models/toy/infer", content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
            return answer, bodies.held

    answer, held = anyio.run(ask)

    assert answer.status_code == 200, answer.text
    assert (seen, held) == ([len(body), 0], 0)


def test_a_packed_body_for_which_the_others_leave_no_room_is_unpacked_no_further(
    models: Path, client_of: ClientOf
) -> None:
    limit = 8 * PIECE
    content = gzip.compress(bytes(limit))

    async def ask() -> tuple[httpx.Response, int]:
        settings = Settings(models=(models,), max_body_bytes=limit, max_bodies_bytes=limit)
        async with client_of(settings) as client:
            bodies = client.app.state.worker.bodies  # type: ignore[attr-defined]
            bodies.take(0, limit - 2 * PIECE)  # others
            answer = await client.post(
                "/v2/models/toy/infer", content=content, headers={"Content-Encoding": "gzip"})
            return answer, bodies.held

    answer, held = anyio.run(ask)

    assert (answer.status_code, answer.headers["x-weighbridge-problem"]) == (503, "overloaded")
    assert f"{limit} bytes of other requests" in answer.json()["error"]  # two pieces of its own among them
    assert held == limit - 2 * PIECE


@pytest.mark.parametrize("packed", [
    gzip.compress(RANDOM), gzip.compress(RANDOM, 0), zlib.compress(bytes(3 * PIECE), 9), gzip.compress(b""),
    gzip.compress(RANDOM)[:-1], gzip.compress(bytes(3 * PIECE))[:-30], b"",
], ids=["random", "stored", "of one value", "nothing", "cut off", "cut off in a long run", "empty"])
def test_pieces_are_what_unpacking_at_once_gives(packed: bytes) -> None:
    reader = zlib.decompressobj(47)
    whole = reader.decompress(packed)
    bodies = Bodies(10**8, Metrics().bodies)
    unpacking = Packed(bodies).unpack(packed, "gzip", 10**8, at_once)

    if reader.eof:
        assert b"".join(anyio.run(lambda: unpacking)) == whole
        assert bodies.held == len(whole)
    else:
        with pytest.raises(Problem, match="ends before its end"):
            anyio.run(lambda: unpacking)


@pytest.mark.parametrize("parts", [
    [RANDOM, b"more"], [b"", b"", RANDOM], [bytes(PIECE), RANDOM, bytes(PIECE)], [b"x"] * MOST_STREAMS,
], ids=["two", "empty ones first", "pieces", "as many as may be"])
def test_streams_one_after_the_other_belong_together(parts: list[bytes]) -> None:
    packed = b"".join(map(gzip.compress, parts))

    unpacking = Packed(Bodies(10**8, Metrics().bodies)).unpack(packed, "gzip", 10**8, at_once)

    assert b"".join(anyio.run(lambda: unpacking)) == b"".join(parts)


@pytest.mark.parametrize(("packed", "said"), [
    (gzip.compress(RANDOM) + b"junk", "is not gzip"),
    (gzip.compress(b"x") + gzip.compress(b"y")[:-1], "before its end"),
    (gzip.compress(b"") * (MOST_STREAMS + 1), f"more than {MOST_STREAMS} gzip streams"),
])
def test_what_follows_a_stream_is_another_one_or_wrong(packed: bytes, said: str) -> None:
    unpacking = Packed(Bodies(10**8, Metrics().bodies)).unpack(packed, "gzip", 10**8, at_once)

    with pytest.raises(Problem, match=said):
        anyio.run(lambda: unpacking)


async def at_once(work: Callable[[threading.Event], bytes]) -> bytes:
    found = work(NEVER)
    assert len(found) <= PIECE
    return found


def test_a_body_of_the_repository_is_short(http: httpx.Client) -> None:
    answer = http.post("/v2/repository/index", content=b'{"a":[' + b"0," * 40_000 + b"0]}")

    assert answer.status_code == 413
    assert "here the limit is 65536" in answer.json()["error"]


def test_other_refusals_under_v2_are_in_the_protocol_s_form_too(http: httpx.Client) -> None:
    for answer in (
        http.get("/v2/models/toy/infer"),
        http.get("/v2/nothing"),
        http.post("/v2/models/toy/infer", content=bytes(3_000_001)),
    ):
        assert answer.status_code in (404, 405, 413)
        assert list(answer.json()) == ["error"]


