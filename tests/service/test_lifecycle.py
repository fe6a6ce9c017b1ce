"""Starting and stopping `bentoml serve .` as people do, and what the bento ships."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml
from process import REPOSITORY, Process, running

from service.client import Client, ServiceError

pytestmark = pytest.mark.slow


def test_ctrl_c_finishes_what_was_begun_and_ends_everything(models: Path, tmp_path: Path) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="toy")
    try:
        process.wait_until_ready()
        host, port = process.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: 16\r\nExpect: 100-continue\r\n\r\n"
            )
            assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # so it is being answered
            process.interrupt()
            time.sleep(0.5)
            connection.sendall(bytes(16))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert process.popen.wait(20) == 0
    finally:
        process.stop()


def test_two_workers_answer_and_count_together(models: Path, tmp_path: Path) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_WORKERS="2", WEIGHBRIDGE_DEFAULT_MODEL="toy")
    try:
        process.wait_until_ready()
        for _ in range(20):  # each request its own connection, so that both workers get some
            assert httpx.post(f"{process.url}/predict", content=bytes(16), headers={
                "Content-Type": "application/octet-stream"}).status_code == 200
        counts = {httpx.get(f"{process.url}/metrics").text for _ in range(4)}
        for text in counts:
            found = re.search(r'weighbridge_requests_total\{.*route="/predict",status="200"\} (\d+)', text)
            assert found
            assert found[1] == "20"
    finally:
        process.stop()


def test_a_second_server_with_the_same_home_takes_nothing_from_the_numbers_of_the_first(
    models: Path, tmp_path: Path
) -> None:
    with running(models, tmp_path / "one", WEIGHBRIDGE_DEFAULT_MODEL="toy") as one:
        with Client(one.url) as client:
            client.models()
        with running(models, tmp_path / "two", WEIGHBRIDGE_DEFAULT_MODEL="toy",
                     BENTOML_HOME=str(tmp_path / "one")) as two:
            assert "weighbridge_workers 1.0" in httpx.get(f"{two.url}/metrics").text
        text = httpx.get(f"{one.url}/metrics").text

    assert "weighbridge_workers 1.0" in text
    assert 'weighbridge_requests_total{method="GET",route="/models",status="200"} 1.0' in text


@pytest.mark.parametrize(("variable", "value", "said"), [
    ("WEIGHBRIDGE_DEVICE", "tpu", "WEIGHBRIDGE_DEVICE='tpu' is not allowed; it must be one of auto, cpu, cuda"),
    ("WEIGHBRIDGE_WORKER", "8", "WEIGHBRIDGE_WORKER is no setting; did you mean WEIGHBRIDGE_WORKERS?"),
])
def test_a_wrong_setting_stops_the_start_with_one_clear_sentence(
    models: Path, tmp_path: Path, variable: str, value: str, said: str
) -> None:
    process = Process(models, tmp_path, **{variable: value})

    assert process.popen.wait(60) == 1
    assert process.log.read_text() == f"error: {said}\n"


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("warning", 0)])
def test_what_becomes_of_models_is_in_the_log_with_its_worker_and_no_request_is(
    models: Path, tmp_path: Path, level: str, lines: int
) -> None:
    with running(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="toy", WEIGHBRIDGE_LOG_LEVEL=level) as process:
        with Client(process.url) as client:
            for _ in range(5):
                assert client.models().default == "toy@2"
        log = process.log.read_text()

    assert len(re.findall(r"\[INFO\] \[entry_service:weighbridge:1\] model toy@2 is ready\n", log)) == lines
    assert "/models" not in log
    assert log.count("model broken@1 is not served") == 1


def test_a_server_that_will_not_be_ready_says_so_in_its_log_and_lists_its_models_all_the_same(
    models: Path, tmp_path: Path
) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="broken")
    told = "this server is not ready: broken@1: model.onnx has 11 bytes"
    try:
        ends = time.monotonic() + 60
        while told not in process.log.read_text() and time.monotonic() < ends:
            time.sleep(0.1)
        with Client(process.url) as client:
            found = client.models()
            with pytest.raises(ServiceError, match=r"503 \(model\): broken@1: model\.onnx has 11 bytes"):
                client.predict(b"x")
        asked = httpx.get(f"{process.url}/metrics").text
    finally:
        process.stop()

    assert told in process.log.read_text()
    assert found.default is None
    assert {model.name: model.ready for model in found.models} == {"toy": True, "wide": True, "broken": False}
    assert 'weighbridge_problems_total{problem="not-ready"} 1.0' in asked  # asking again would not have helped


def test_the_bento_ships_the_group_that_serving_needs_and_no_torch() -> None:
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    bento = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())

    assert bento["python"]["packages"] == groups["serve"]
    assert not any("torch" in package for package in bento["python"]["packages"])


def test_a_process_may_open_as_many_files_as_the_system_lets_it() -> None:
    code = """
import resource as r
from service.descriptors import raise_limit
r.setrlimit(r.RLIMIT_NOFILE, (100, 200))
raise_limit()
print(r.getrlimit(r.RLIMIT_NOFILE))
"""
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    assert told == "(200, 200)\n"
