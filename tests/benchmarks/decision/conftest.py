"""Decisions over the toy models, hurried on a fake service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from benchmarks.capacity.probe import Effort
from benchmarks.comparison.contenders import find_contenders
from benchmarks.decision import measure, wish
from benchmarks.decision.configurations import matrix
from benchmarks.decision.folder import DecisionFolder, open_folder
from benchmarks.decision.wish import Wish
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Server

SHORT = Effort(requests=64, seconds=0.6, limits=0, warmup=0.1, resolution=1.0)
CALM = {"limited_by": "patience", "floor_p50_us": 500, "floor_p99_us": 900}


@pytest.fixture(scope="session")
def opened(toys: Path) -> Callable[[Path, Wish], DecisionFolder]:
    """Begins or continues a decision over the toys, with one core for the server."""
    def open_it(folder: Path, asked: Wish) -> DecisionFolder:
        contenders = find_contenders(toys / "models")
        return open_folder(folder, asked, matrix(contenders, asked, 1), contenders, machine=fingerprint(), cores="",
                           created="2026-01-01T00:00:00Z", command="python -m benchmarks weigh")

    return open_it


@pytest.fixture(scope="session")
def hurried(fake: Callable[..., AbstractContextManager[Server]]) -> Callable[..., AbstractContextManager[Server]]:
    """A fake service that takes 4 ms, and inside of it measurements that are as short as can be, up to a rate."""
    @contextmanager
    def hurry(most: float = 60.0) -> Iterator[Server]:
        with pytest.MonkeyPatch.context() as patch, fake("--work", 0.004) as server:
            patch.setattr(wish, "QUICK", SHORT)
            patch.setattr(measure, "calibrate", lambda *_, **__: CALM | {"most_rate": most})
            patch.setattr(measure, "run_micro", lambda *_, **__: None)
            patch.setattr(measure, "AUDIT_LIMIT", 0.5)
            patch.setattr(measure, "cores_beside_the_generator", lambda: 1)
            yield server

    return hurry
