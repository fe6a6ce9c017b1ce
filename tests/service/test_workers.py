"""What clients see of the processes behind the address: one that is killed under load, and an end in good order."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pictures import encoded
from PIL import Image
from process import START_S, Process

pytestmark = pytest.mark.slow

RAW = {"Content-Type": "application/octet-stream"}
CLIENTS = 8


class Load:
    """Clients that never pause, each with one request under way at most; `counts` says what became of them."""

    def __init__(self, url: str) -> None:
        self.counts: Counter[str] = Counter()
        self.broken: list[str] = []
        self._url, self._stop = url, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=20) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", content=bytes(16), headers=RAW)
                except httpx.ConnectError:
                    self.counts["refused"] += 1  # never begun: safe to send elsewhere
                    time.sleep(0.01)
                except httpx.TransportError as error:
                    self.counts["broken"] += 1
                    self.broken.append(repr(error))
                else:
                    right = answer.status_code == 200 and answer.json()["predictions"][0]["label"] == "dark"
                    self.counts["right" if right else f"{answer.status_code} {answer.text[:200]}"] += 1

    def wait_for_more(self, count: int = 50) -> None:
        wanted, deadline = self.counts["right"] + count, time.monotonic() + START_S
        while self.counts["right"] < wanted:
            assert time.monotonic() < deadline, self.counts
            time.sleep(0.02)


def workers(process: Process) -> list[int]:
    return [child.pid for child in psutil.Process(process.popen.pid).children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE and "_bentoml_impl.worker.service" in child.cmdline()]


def metric(process: Process, name: str) -> float:
    found = re.search(rf"^{name}(?:{{.*}})? (\S+)$", httpx.get(f"{process.url}/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("environment", [{}, {"BENTOML_CONTAINERIZED": "true"}], ids=["on a machine", "in a container"])
def test_a_killed_worker_takes_only_its_own_requests_along_and_comes_back(
    models: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_WORKERS="2", WEIGHBRIDGE_DEFAULT_MODEL="toy", **environment)
    try:
        process.wait_until_ready()
        deadline = time.monotonic() + START_S
        while metric(process, "weighbridge_workers") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        victim = workers(process)[0]
        with Load(process.url) as load:
            load.wait_for_more()
            os.kill(victim, signal.SIGKILL)
            load.wait_for_more()
            deadline = time.monotonic() + START_S
            while metric(process, "weighbridge_workers") < 2:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            load.wait_for_more()

        assert set(load.counts) <= {"right", "broken"}, load.counts
        assert load.counts["broken"] <= CLIENTS, load.broken
        assert victim not in workers(process)
        assert f"worker {victim} was ended by SIGKILL" in process.log.read_text()
        assert metric(process, "weighbridge_worker_starts_total") == 3
        # The dead worker's counts are not lost: at most what it had under way was never counted.
        answered = metric(process, 'weighbridge_requests_total{method="POST",route="/predict",status="200"}')
        assert answered >= load.counts["right"]
    finally:
        process.stop()


def test_no_worker_outlives_a_killed_supervisor_and_the_port_is_free_again(models: Path, tmp_path: Path) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="toy")
    process.wait_until_ready()
    worker, = (psutil.Process(pid) for pid in workers(process))

    process.popen.kill()
    process.popen.wait()

    worker.wait(START_S)
    assert f"the supervisor {process.popen.pid} is gone" in process.log.read_text()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{process.url}/livez")


def test_an_end_under_load_breaks_no_answer_that_was_begun_and_takes_no_new_one(models: Path, tmp_path: Path) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="toy")
    host, port = process.url.removeprefix("http://").split(":")
    head = (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 16\r\n"
            b"Expect: 100-continue\r\n\r\n")
    try:
        process.wait_until_ready()
        with Load(process.url) as load:
            load.wait_for_more()
            begun = [socket.create_connection((host, int(port)), timeout=20) for _ in range(4)]
            for connection in begun:
                connection.sendall(head)
                assert connection.recv(1000).startswith(b"HTTP/1.1 100")
            process.popen.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            while not load.counts["refused"]:
                assert time.monotonic() < deadline, load.counts
                time.sleep(0.02)
            assert process.popen.poll() is None  # it waits for what was begun
            for connection in begun:
                connection.sendall(bytes(16))
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
                connection.close()
            assert process.popen.wait(20) == 0

        told = re.findall(r"\[(\w+)\] \S+ worker \d+ (.*)\n", process.log.read_text())
        assert told == [("INFO", "has ended")]
        assert set(load.counts) <= {"right", "refused", "broken"}, load.counts
        # A server may close an idle connection at the very moment a client uses it again; no protocol can prevent that.
        assert load.counts["broken"] <= CLIENTS, load.broken
    finally:
        process.stop()


def test_an_answer_that_is_not_ready_by_the_end_is_a_problem_and_holds_nothing_up(
    models: Path, tmp_path: Path, problem_of: Callable[[httpx.Response, int, str], dict[str, Any]]
) -> None:
    process = Process(models, tmp_path, "--timeout-graceful-shutdown", "1", WEIGHBRIDGE_DEFAULT_MODEL="toy",
                      WEIGHBRIDGE_MAX_PIXELS="1000000000")
    slow = [("images", encoded(Image.new("L", (5000, 5000))))] * 256
    answers: list[httpx.Response] = []
    try:
        process.wait_until_ready()
        client = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{process.url}/predict", files=slow, timeout=60)))
        client.start()
        while not metric(process, "weighbridge_body_bytes"):
            time.sleep(0.02)
        process.popen.send_signal(signal.SIGTERM)
        client.join()

        problem_of(answers[0], 503, "ending")
        assert answers[0].headers["retry-after"] == "1"
        assert process.popen.wait(30) == 0
        assert "Traceback" not in process.log.read_text()
    finally:
        process.stop()
