from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from benchmarks.machine.children import start, stop
from benchmarks.machine.cores import share_out
from benchmarks.machine.server import Server, ServerError

Fake = Callable[..., AbstractContextManager[Server]]


def test_a_server_that_does_not_start_says_what_its_log_says(fake: Fake) -> None:
    said = r"ended with code 1 before it was ready(.|\n)*no model could be loaded"

    with pytest.raises(ServerError, match=said), fake("--refuse"):
        pytest.fail("it was never ready")


def test_nothing_is_left_running_after_the_block(fake: Fake) -> None:
    with fake() as server:
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert server.usage().rss_bytes > 0

    assert server.process.poll() is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/readyz")


def test_nothing_is_left_running_when_the_block_fails(fake: Fake) -> None:
    with pytest.raises(ZeroDivisionError), fake() as server:
        raise ZeroDivisionError

    assert server.process.poll() is not None


def test_stopping_takes_the_grandchildren_along(tmp_path: Path, alive: Callable[[str], list[str]]) -> None:
    mark = "time.sleep(98765)"
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; {mark}'])"
    process = start([sys.executable, "-c", grandchild], log=tmp_path / "log")
    while not any(line.endswith(f"import time; {mark}") for line in alive(mark)):
        assert process.poll() is None

    stop(process)

    assert not alive(mark)


def test_server_and_generator_get_cores_of_their_own_where_there_are_two() -> None:
    assert (share_out(usable={0, 1}).server, share_out(usable={0, 1}).generator) == ((0,), (1,))
    assert share_out(server_cores=2, usable={1, 3, 5, 7}).server == (1, 3)
    assert share_out(server_cores=2, usable={1, 3, 5, 7}).generator == (5, 7)
    assert share_out(usable=set(range(64))).generator == (60, 61, 62, 63)
    assert share_out(usable={0, 1}).apart
    assert not share_out(usable={4}).apart
    assert "share core 4" in str(share_out(usable={4}))
