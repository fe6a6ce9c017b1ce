import json

import numpy as np
import pytest

from benchmarks.load.recorder import Answer, Recorder, no_answer, read_answer
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT, read_rows, write_rows
from benchmarks.load.stages import parse_server_timing


def recorder() -> Recorder:
    return Recorder(labels=np.array([3, 4], np.int16), images=np.array([70, 80], np.int32))


def test_a_reply_becomes_a_predicted_class_and_stage_times() -> None:
    body = json.dumps({"predictions": [{"label": "bag", "index": 8}]}).encode()

    answer = read_answer(5, 200, body, {"server-timing": "decode;dur=0.25, infer;dur=1.5"})

    assert (answer.outcome, answer.predicted) == (OK, 8)
    assert answer.stages[1] == 0.25
    assert np.isnan(answer.stages[0])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"predictions": []}',
                                  b'{"predictions": [{"status": 400, "error": {}}]}'])
def test_a_200_without_a_prediction_is_a_failure(body: bytes) -> None:
    assert read_answer(5, 200, body, {}).outcome == FAILED


def test_an_error_status_is_a_failure_and_silence_a_timeout() -> None:
    assert read_answer(5, 503, b"", None).outcome == FAILED
    assert no_answer(5, TimeoutError()).outcome == TIMEOUT
    assert no_answer(5, ConnectionResetError()).outcome == FAILED


def test_a_timeout_is_recognised_inside_what_the_http_client_wraps_it_in() -> None:
    wrapped = ConnectionError("retries exceeded")
    wrapped.original = TimeoutError("timed out")

    assert no_answer(5, wrapped).outcome == TIMEOUT


def test_rows_come_in_the_order_of_intended_starts_with_their_labels() -> None:
    notes = recorder()
    notes.add(intended=20, sent=21, warmup=False, position=1, answer=Answer(90, OK, 200, 4))
    notes.add(intended=10, sent=10, warmup=True, position=0, answer=Answer(99, OK, 200, 9))
    notes.drop(intended=30, now=31, warmup=False, position=0)

    rows = notes.rows()

    assert rows.intended.tolist() == [10, 20, 30]
    assert rows.label.tolist() == [3, 4, 3]
    assert rows.image.tolist() == [70, 80, 70]
    assert rows.service_us.tolist() == [89, 69, 0]
    assert rows.response_us.tolist() == [89, 70, 1]
    assert rows.measured.count(DROPPED) == 1


def test_rows_survive_the_disk(tmp_path) -> None:
    notes = recorder()
    notes.add(intended=1, sent=2, warmup=False, position=0, answer=Answer(3, OK, 200, 3))
    write_rows(tmp_path / "rows.npz", notes.rows())

    rows = read_rows(tmp_path / "rows.npz")

    assert (rows.sent[0], rows.done[0], rows.predicted[0]) == (2, 3, 3)


def test_nothing_sent_is_an_empty_table() -> None:
    assert len(recorder().rows()) == 0


@pytest.mark.parametrize(("header", "stages"), [
    ("decode;dur=0.1, infer;dur=2", {"decode": 0.1, "infer": 2.0}),
    ('cache;desc="hit";dur=3', {"cache": 3.0}),
    ("miss, broken;dur=x, ,", {}),
    ("", {}),
])
def test_server_timing_is_read_leniently(header: str, stages: dict[str, float]) -> None:
    assert parse_server_timing(header) == stages
