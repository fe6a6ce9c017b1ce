"""`bentoml serve .` as a process of its own: a free port, its own home, and an end that leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.machine.ports import free_port

REPOSITORY = Path(__file__).parent.parent
START_S = 60


class Process:
    """A running `bentoml serve`; `stop` ends it as Ctrl-C does and gives its exit code."""

    def __init__(self, models: Path, home: Path, *options: str, python: str | Path = sys.executable,
                 **environment: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("WEIGHBRIDGE_", "BENTOML_"))}
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [str(python), "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", str(port),
                 *options],
                cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={**keep, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true",
                     "WEIGHBRIDGE_MODELS": str(models), "WEIGHBRIDGE_JOBS": str(home / "jobs"), **environment},
            )

    def wait_until_ready(self) -> None:
        deadline, told = time.monotonic() + START_S, ""
        while time.monotonic() < deadline and self.popen.poll() is None:
            try:
                answer = httpx.get(f"{self.url}/readyz")
                if answer.status_code == 200:
                    return
                told = answer.text
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"the server did not become ready: {told}\n{self.log.read_text()}")

    def interrupt(self) -> None:
        os.killpg(self.popen.pid, signal.SIGINT)  # a terminal sends it to the whole group

    def stop(self) -> int:
        if self.popen.poll() is None:
            self.interrupt()
        try:
            return self.popen.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            raise


@contextmanager
def running(
    models: Path, home: Path, *, python: str | Path = sys.executable, **environment: str
) -> Iterator[Process]:
    """A server that is ready, and that has ended afterwards."""
    process = Process(models, home, python=python, **environment)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop()
