"""Bodies against NVIDIA's client and our server's own decoder; answers as different servers give them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.http._utils import _get_inference_request

from benchmarks.load.payloads import digest, encode, encode_with, part, read_payloads, write_payloads
from benchmarks.load.protocols.oip import reader
from benchmarks.load.protocols.protocol import WEIGHBRIDGE, Protocol
from benchmarks.load.protocols.readers import reader_of
from benchmarks.load.protocols.tensor import Tensor, as_json, binary, binary_headers
from benchmarks.load.recorder import Recorder, read_answer
from benchmarks.load.rows import FAILED, OK
from benchmarks.load.wire import Address, Reply, head_of
from service.allowance import Allowance
from service.card import InputSpec
from service.oip.tensors import read_infer, read_pixels

COLOUR = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
GREY = COLOUR[:, :, :1]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def by_hand(image: NDArray[np.uint8], kind: type) -> NDArray[np.floating]:
    """What torchvision's ToTensor and Normalize give, one image as NCHW."""
    scaled = (image.astype(np.float64) / 255 - np.array(MEAN)) / np.array(STD)
    return scaled.transpose(2, 0, 1)[None].astype(kind)


def asked(name: str, array: NDArray[np.generic], datatype: str) -> tuple[bytes, int]:
    """What NVIDIA's client would send."""
    tensor = triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array)
    return _get_inference_request(
        inputs=[tensor], outputs=[triton.InferRequestedOutput("scores", binary_data=False)], request_id="",
        sequence_id=0, sequence_start=False, sequence_end=False, priority=0, timeout=None, custom_parameters=None,
    )


@pytest.mark.parametrize(("datatype", "kind"), [("FP32", np.float32), ("FP16", np.float16)])
def test_a_binary_body_of_floats_is_byte_for_byte_what_nvidias_client_sends(datatype: str, kind: type) -> None:
    tensor = Tensor("x", datatype, "NCHW", mean=MEAN, std=STD)

    body = binary(tensor, COLOUR, "scores")

    expected, length = asked("x", by_hand(COLOUR, kind), datatype)
    assert body == expected
    assert binary_headers(tensor, COLOUR.shape, "scores") == {"Inference-Header-Content-Length": str(length)}


@pytest.mark.parametrize(("layout", "image", "array"), [
    ("NHWC", COLOUR, COLOUR[None]), ("NCHW", COLOUR, COLOUR.transpose(2, 0, 1)[None]), ("HWC", COLOUR, COLOUR),
    ("CHW", COLOUR, COLOUR.transpose(2, 0, 1)), ("NHW", GREY, GREY[None, :, :, 0]), ("HW", GREY, GREY[:, :, 0]),
    ("ND", GREY, GREY.reshape(1, -1)), ("D", GREY, GREY.reshape(-1)),
])
def test_pixels_are_sent_as_they_are_in_every_layout(
    layout: str, image: NDArray[np.uint8], array: NDArray[np.uint8]
) -> None:
    tensor = Tensor("x", "UINT8", layout)

    assert binary(tensor, image, "scores") == asked("x", np.ascontiguousarray(array), "UINT8")[0]
    assert json.loads(as_json(tensor, image, "scores"))["inputs"][0]["data"] == array.ravel().tolist()


@pytest.mark.parametrize("as_binary", [True, False])
def test_our_own_server_reads_both_kinds_of_bodies(as_binary: bool) -> None:
    tensor = Tensor("image", "UINT8", "NHWC")
    body = (binary if as_binary else as_json)(tensor, COLOUR, "probabilities")
    length = binary_headers(tensor, COLOUR.shape, "probabilities")["Inference-Header-Content-Length"]

    ask = read_infer(body, length if as_binary else None, Allowance(10**6))

    assert np.array_equal(read_pixels(ask, InputSpec(height=5, width=4, channels=3)), COLOUR[None])
    assert [(wanted.name, wanted.binary) for wanted in ask.outputs] == [("probabilities", False)]


@pytest.mark.parametrize(("datatype", "kind"), [("FP32", np.float32), ("FP16", np.float16)])
def test_decimals_in_json_are_short_and_still_the_very_numbers(datatype: str, kind: type) -> None:
    body = as_json(Tensor("x", datatype, "NCHW", mean=MEAN, std=STD), COLOUR, "scores")

    data = json.loads(body)["inputs"][0]["data"]

    assert np.array_equal(np.array(data, kind), by_hand(COLOUR, kind).ravel())
    assert len(body) < 16 * len(data)


def answer(*outputs: dict[str, object], tail: bytes = b"", length: bool = False) -> Reply:
    head = json.dumps({"model_name": "m", "outputs": outputs}).encode()
    field = b"inference-header-content-length: %d\r\n" % len(head) if length else b""
    return Reply(200, b"HTTP/1.1 200 OK\r\n" + field, head + tail, closes=False)


FLAT = {"name": "scores", "datatype": "FP32", "shape": [1, 3], "data": [0.1, 0.7, 0.2]}
NESTED = FLAT | {"data": [[0.1, 0.7, 0.2]]}
OTHER = {"name": "which", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}}
BINARY = {"name": "scores", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": 12}}
SCORES = np.array([0.1, 0.7, 0.2], "<f4").tobytes()


@pytest.mark.parametrize(("reply", "output"), [
    (answer(FLAT), None), (answer(NESTED), "scores"), (answer(FLAT | {"name": "a", "data": [9, 8, 7]}, FLAT), "scores"),
    (answer(BINARY, tail=SCORES, length=True), None),
    (answer(OTHER, BINARY, tail=b"\1\0\0\0a" + SCORES, length=True), "scores"),
])
def test_the_prediction_is_the_largest_value_of_the_output_however_it_travels(reply: Reply, output: str | None) -> None:
    assert reader(output, 3)(reply) == 1


@pytest.mark.parametrize("reply", [
    answer(), answer(FLAT | {"name": "else"}), answer(FLAT | {"data": [1.0, 2.0]}), answer(FLAT | {"data": []}),
    answer(FLAT | {"data": [0.1, float("nan"), 0.2]}), answer(FLAT | {"data": ["a", "b", "c"]}),
    answer(FLAT | {"data": None}), answer(BINARY, tail=SCORES[:8], length=True), answer(OTHER | {"name": "scores"}),
    answer(FLAT | {"data": {"a": 1}}), Reply(200, b"", b"[]", closes=False), Reply(200, b"", b"{}", closes=False),
    Reply(200, b"", b"\xff", closes=False), Reply(200, b"\r\ninference-header-content-length: x\r\n", b"{}", False),
])
def test_a_200_without_the_expected_tensor_is_a_failure(reply: Reply) -> None:
    assert read_answer(5, reply, reader("scores", 3)).outcome == FAILED


def test_a_recorder_reads_with_the_reader_of_its_payloads() -> None:
    protocol = Protocol("oip", {}, "scores", 3)
    recorder = Recorder(labels=np.array([1], np.int16), images=np.array([7], np.int32), read=reader_of(protocol))
    recorder.keep(intended=0, sent=0, done=5, position=0, reply=answer(FLAT))

    rows = recorder.rows()

    assert (rows.outcome[0], rows.predicted[0], rows.label[0]) == (OK, 1, 1)


def test_bodies_keep_their_protocol_on_disk(tmp_path: Path) -> None:
    tensor, protocol = Tensor("x", "UINT8", "NHWC"), Protocol("oip", {"A": "1"}, "scores", 10)
    payloads = encode_with(partial(binary, tensor, output="scores"), "application/octet-stream",
                           COLOUR[None].repeat(6, 0), np.arange(6), limit=6, seed=0, protocol=protocol)
    write_payloads(tmp_path / "bodies.npz", payloads)

    stored = read_payloads(tmp_path / "bodies.npz")

    assert stored.protocol == protocol
    assert digest(stored) == digest(payloads)
    assert part(stored, 2, 4).bodies == payloads.bodies[2:4]


def test_bodies_from_before_protocols_speak_weighbridges_and_are_still_written_so(tmp_path: Path) -> None:
    write_payloads(tmp_path / "bodies.npz", encode("raw", COLOUR[None], np.zeros(1, np.int64), limit=1, seed=0))

    with np.load(tmp_path / "bodies.npz") as stored:
        assert sorted(stored) == ["content_type", "data", "ends", "images", "labels"]
    assert read_payloads(tmp_path / "bodies.npz").protocol == WEIGHBRIDGE


def test_bodies_that_were_broken_off_while_they_were_stored_are_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = encode("raw", np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int64), limit=2, seed=0)

    def full(path: Path, **_: object) -> None:
        Path(path).write_bytes(b"PK")
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(np, "savez", full)
        with pytest.raises(OSError, match="no space left"):
            write_payloads(tmp_path / "payloads.npz", bodies)
    assert not (tmp_path / "payloads.npz").exists()

    write_payloads(tmp_path / "payloads.npz", bodies)
    assert [path.name for path in tmp_path.iterdir()] == ["payloads.npz"]


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(ValueError, match="unknown protocol 'grpc'; known are weighbridge, oip"):
        reader_of(Protocol("grpc"))


def test_further_headers_stand_in_the_head_of_every_request() -> None:
    head = head_of(Address.parse("http://a:1"), "/x", "image/png", {"Authorization": "Bearer k", "X-Y": "1"})

    assert b"\r\nAuthorization: Bearer k\r\nX-Y: 1\r\nContent-Type: image/png\r\nContent-Length: " in head
