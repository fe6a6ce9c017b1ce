"""A Ray cluster of several nodes on this machine, for the tests that find .venv-ray, as a fixture."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-ray" / "bin" / "python"
needs_ray = pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-ray; `make ray` makes it")


class Nodes:
    """A head without cores, and nodes with one core each."""

    def __init__(self, count: int, log: Path) -> None:
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [PYTHON, ROOT / "tests" / "ray_nodes.py", str(count)], text=True, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
                env={**os.environ, "RAY_worker_niceness": "0"},  # nice workers starve where other tests run
            )
        self.address = self._answer()

    def kill_one(self) -> None:
        """As if a machine lost power."""
        assert self._process.stdin is not None
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        assert self._answer() == "killed"

    def stop(self) -> None:
        self._process.communicate(timeout=60)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def cluster(count: int, folder: Path) -> Iterator[Nodes]:
    """`count` nodes that are gone afterwards."""
    nodes = Nodes(count, folder / "nodes.log")
    try:
        yield nodes
    finally:
        nodes.stop()
