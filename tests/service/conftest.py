"""A real server process with small models, and the application in this process for what a process cannot show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from process import Process, running
from toy import CLASSES, probabilities, write_toy

from service.routes import build
from service.settings import Settings
from service.shelf import STILL_LOADING
from service.splits import write_split


def write_models(root: Path) -> Path:
    """toy@1 and toy@2 (4x4 grey), wide@1 (2x6 RGB), broken@1 (a graph that is not what its card says), split halves."""
    write_toy(root)
    write_toy(root, version=2)
    write_toy(root, "wide", height=2, width=6, channels=3)
    (write_toy(root, "broken") / "model.onnx").write_bytes(b"not a graph")
    images = np.random.default_rng(7).integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)
    labels = probabilities(images).argmax(axis=1).astype(np.uint8)
    labels[:30] ^= 1
    write_split(root / "splits" / "halves", images, labels, dataset="toy", split="test", classes=CLASSES, licence="CC0")
    return root


@asynccontextmanager
async def _client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here", timeout=30) as client:
            while (await client.get("/readyz")).json().get("reason") == STILL_LOADING:
                await anyio.sleep(0.01)
            client.app = app  # type: ignore[attr-defined]  # tests put hands on the worker's state
            yield client


@pytest.fixture
def client_of() -> Callable[[Settings], AbstractAsyncContextManager[httpx.AsyncClient]]:
    """The application in this process, started and loaded, for settings of one's own."""
    return _client


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One server for all tests that only send requests. Small limits, so that breaking them is cheap."""
    with running(
        models, tmp_path_factory.mktemp("home"), WEIGHBRIDGE_DEFAULT_MODEL="toy",
        WEIGHBRIDGE_MAX_BODY_BYTES="3000000", WEIGHBRIDGE_MAX_PIXELS="1000000",
        WEIGHBRIDGE_JOB_SHARE="1",  # nothing to give way to, and tests that wait for jobs
        WEIGHBRIDGE_REPORTS=str(models.parent / "reports"),
    ) as process:
        yield process


@pytest.fixture(scope="session")
def http(server: Process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def problem_of() -> Callable[[httpx.Response, int, str], dict[str, Any]]:
    """The problem document of an answer, after checking all that every problem has in common."""
    return _problem_of


def _problem_of(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:weighbridge:problem:{slug}", problem
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem
