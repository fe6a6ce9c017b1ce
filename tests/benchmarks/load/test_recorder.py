import json

import numpy as np
import pytest

from benchmarks.load.recorder import Answer, Recorder, no_answer, read_answer
from benchmarks.load.rows import DROPPED, FAILED, OK, TIMEOUT, read_rows, write_rows
from benchmarks.load.stages import parse_server_timing
from benchmarks.load.wire import Reply


def recorder(**options: object) -> Recorder:
    return Recorder(labels=np.array([3, 4], np.int16), images=np.array([70, 80], np.int32), **options)


def reply(status: int = 200, body: bytes = b'{"predictions": [{"index": 8}]}', head: bytes = b"") -> Reply:
    return Reply(status, head, body, closes=False)


def test_a_reply_becomes_a_predicted_class_and_stage_times() -> None:
    body = json.dumps({"predictions": [{"label": "bag", "index": 8}]}).encode()

    head = b"HTTP/1.1 200 OK\r\nServer-Timing: decode;dur=0.25, infer;dur=1.5\r\n"
    answer = read_answer(5, reply(body=body, head=head))

    assert (answer.outcome, answer.predicted) == (OK, 8)
    assert answer.stages[1] == 0.25
    assert np.isnan(answer.stages[0])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"predictions": []}',
                                  b'{"predictions": [{"status": 400, "error": {}}]}',
                                  b'{"predictions": [{"index": 1e999}]}', b'{"predictions": [{"index": 40000}]}',
                                  b'{"predictions": [{"index": -1}]}'])
def test_a_200_without_a_prediction_is_a_failure(body: bytes) -> None:
    assert read_answer(5, reply(body=body)).outcome == FAILED


def test_an_error_status_is_a_failure_and_silence_a_timeout() -> None:
    assert read_answer(5, reply(503, b"")).outcome == FAILED
    assert no_answer(5, TimeoutError()).outcome == TIMEOUT
    assert no_answer(5, ConnectionResetError()).outcome == FAILED


def test_rows_come_in_the_order_of_intended_starts_with_their_labels() -> None:
    notes = recorder(begins=15)
    notes.add(intended=20, sent=21, position=1, answer=Answer(90, OK, 200, 4))
    notes.add(intended=10, sent=10, position=0, answer=Answer(99, OK, 200, 9))
    notes.drop(intended=30, now=31, position=0)

    rows = notes.rows()

    assert rows.intended.tolist() == [10, 20, 30]
    assert rows.label.tolist() == [3, 4, 3]
    assert rows.image.tolist() == [70, 80, 70]
    assert rows.service_us.tolist() == [89, 69, 0]
    assert rows.response_us.tolist() == [89, 70, 1]
    assert rows.measured.count(DROPPED) == 1


def test_a_reply_that_turns_out_to_be_none_misses_the_objective_once() -> None:
    notes = recorder(limit_us=50)
    for done, body in ((40, b"{}"), (90, b"{}"), (40, reply().body)):
        notes.keep(intended=0, sent=0, done=done, position=0, reply=reply(body=body))
    assert (len(notes), notes.ok, notes.over) == (3, 3, 1)  # so far, only the late one is known

    assert notes.rows().count(FAILED) == 2
    assert (len(notes), notes.ok, notes.over) == (3, 1, 2)


def test_rows_survive_the_disk(tmp_path) -> None:
    notes = recorder()
    notes.add(intended=1, sent=2, position=0, answer=Answer(3, OK, 200, 3))
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
