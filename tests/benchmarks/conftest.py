"""Shared parts of the benchmark tests: a fake service, loads sent to it by a real generator, loads made by hand."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from toy import write_toy

from benchmarks.comparison.contenders import Contender, find_contenders
from benchmarks.comparison.run import Run, open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.load.generator import send
from benchmarks.load.payloads import encode, write_payloads
from benchmarks.load.plan import Plan
from benchmarks.load.rows import OK, Rows
from benchmarks.load.stages import STAGES
from benchmarks.load.stored import Load
from benchmarks.machine.cores import Cores
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Server, serving
from service.splits import write_split

FAKE = Path(__file__).with_name("fake_service.py")
CLASSES = tuple("0123456789")


def labelled_images(count: int = 100) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noise whose first pixel is its label, which is how the fake service knows the answer."""
    labels = np.arange(count) % 10
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = labels
    return images, labels


@pytest.fixture(scope="session")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Server]]:
    """`with fake("--stall-after", 1) as server:` runs the fake service with these options."""

    def start(*options: object) -> AbstractContextManager[Server]:
        folder = tmp_path_factory.mktemp("fake")
        command = (sys.executable, str(FAKE), "--port", "{port}", *map(str, options))
        return serving(root=folder, log=folder / "server.log", command=command)

    return start


@pytest.fixture(scope="session")
def sent(
    fake: Callable[..., AbstractContextManager[Server]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Load]:
    """`sent(plan, "--fail-every", 4)` sends a load to a fake service of its own and returns what was written down."""

    def load(plan: Plan, *options: object) -> Load:
        folder = tmp_path_factory.mktemp("load")
        images, labels = labelled_images()
        write_payloads(folder / "payloads.npz", encode("raw", images, labels, limit=len(images), seed=0))
        with fake(*options) as server:
            return send(plan, server, payloads=folder / "payloads.npz", folder=folder)

    return load


@pytest.fixture(scope="session")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The request bodies of a hundred labelled images, stored."""
    path = tmp_path_factory.mktemp("bodies") / "payloads.npz"
    images, labels = labelled_images()
    write_payloads(path, encode("raw", images, labels, limit=len(images), seed=0))
    return path


@pytest.fixture
def poisson() -> Callable[..., Plan]:
    """A short open load; keyword arguments change it."""
    return partial(Plan, name="open", model="toy@1", arrival="poisson", rate=50.0, seconds=1.0, warmup=0.2)


@pytest.fixture
def made(poisson: Callable[..., Plan]) -> Callable[..., Load]:
    """A load made by hand: 1,000 requests in 10 s, each sent on time and answered rightly after 2 ms."""

    def load(plan: Plan | None = None, cpu: float = 0.3, **columns: Any) -> Load:
        n = 1000
        intended = np.arange(n) * 10_000
        rows = Rows(
            intended=intended, sent=intended.copy(), done=intended + 2000, warmup=np.zeros(n, bool),
            outcome=np.full(n, OK, np.uint8), status=np.full(n, 200, np.int16), image=np.arange(n, dtype=np.int32),
            label=(np.arange(n) % 10).astype(np.int16), predicted=(np.arange(n) % 10).astype(np.int16),
            stages=np.full((n, len(STAGES)), 0.1, np.float32),
        )
        plan = plan or poisson(rate=100.0, seconds=10.0, warmup=0.0)
        facts = {"cpu": [cpu] * 10, "problems": {}, "engine": "by hand", "finished_at": "2026-01-01T00:00:00Z"}
        return Load(plan, replace(rows, **columns), facts, {"cpu": 0.4, "rss_bytes": 10**8})

    return load


@pytest.fixture(scope="session")
def alive() -> Callable[[str], list[str]]:
    """Command lines of running processes that contain a text."""
    import psutil

    def running(text: str) -> list[str]:
        lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        return [line for line in lines if text in line]

    return running


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """One model of a result, made by hand."""

    def build(name: str, *, accuracy: float, p99: float, throughput: float, spread: float = 0.01, valid: bool = True
              ) -> dict[str, Any]:
        def around(value: float) -> tuple[float, float]:
            return value * (1 - spread), value * (1 + spread)

        times = {"p50": p99 * 500, "p90": p99 * 800, "p99": p99 * 1000, "n": 1000, "min": 1, "max": 10**6, "mean": 1.0}
        intervals = {key: around(times[key]) for key in ("p50", "p90", "p99")}
        state = {"valid": valid, "reasons": [] if valid else [{"code": "saturated", "reason": "too slow"}],
                 "notes": [], "advice": []}
        load = {
            "ok": 1000, "requests": 1000, "failed": 0, "timeouts": 0, "dropped": 0, "rate_achieved": 100.0,
            "rate_requested": 100.0, "utilisation": 0.5, "validity": state, "send_lag_us": {"p99": 10.0},
            "service_us": times | {"intervals": intervals}, "response_us": times | {"intervals": intervals},
            "throughput": {"per_second": throughput, "interval": around(throughput)}, "stages_ms": {"infer": 0.5},
            "generator_cpu": 0.3,
        }
        return {
            "id": f"{name}@1", "name": name, "architecture": "toy", "parameters": 7850,
            "artifact": {"size_bytes": 31_400, "runtime": "onnxruntime"},
            "card_accuracy": {"top1": accuracy, "interval": around(accuracy), "n": 10_000},
            "accuracy": {"top1": accuracy, "interval": around(accuracy), "n": 1000},
            "loads": [load | {"name": "closed", "arrival": "closed"}, load | {"name": "open-50", "arrival": "poisson"}],
            "validity": state,
        }

    return build


@pytest.fixture
def result(entry: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """A result of two models, made by hand."""
    return {
        "models": [entry("fast", accuracy=0.80, p99=2.0, throughput=900.0),
                   entry("exact", accuracy=0.92, p99=9.0, throughput=300.0)],
        "machine": {"cpu": "Abacus 3000", "usable_cores": 2, "commit": "abc123", "load_average": [0.1, 0.1, 0.1]},
        "settings": {"runtime": "onnxruntime", "threads": 1, "body": "png", "seed": 0, "connections": 8},
        "datasets": {"toys-test": {}},
        "validity": {"valid": True, "reasons": [], "notes": [], "advice": []},
    }


class Steps:
    """A screen that remembers, and may interrupt."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.titles: list[str] = []
        self._interrupt_at = interrupt_at

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        self.titles.append(title)
        if len(self.titles) == self._interrupt_at:
            raise KeyboardInterrupt
        return lambda said: None


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/a/1, models/b/1 and a split on which the toys and the fake service say the same."""
    root = tmp_path_factory.mktemp("toys")
    write_toy(root / "models", "a")
    write_toy(root / "models", "b")
    images, labels = labelled_images(200)
    labels = labels % 2
    images = (images // 4 + 160 * labels[:, None, None, None]).astype(np.uint8)  # the toys know bright from dark
    images[:, 0, 0, 0] = labels                                                  # the fake reads the first pixel
    write_split(root / "models" / "splits" / "toys-test", images, labels, dataset="toys", split="test",
                classes=("dark", "bright"), licence="none")
    return root


@pytest.fixture(scope="session")
def open_toys(toys: Path) -> Callable[..., tuple[Run, list[Contender]]]:
    """Opens one and the same run over the toys again and again; keyword arguments change its settings."""
    settings = Settings(root=str(toys / "models"), seconds=0.5, micro_seconds=0, body="raw", screening=True,
                        connections=2)

    def opened(**changes: Any) -> tuple[Run, list[Contender]]:
        contenders = find_contenders(toys / "models")
        run = open_run(toys / "run", replace(settings, **changes), contenders, machine=fingerprint(), cores="",
                       command="python -m benchmarks", created="2026-01-01T00:00:00Z")
        return run, contenders

    return opened


@pytest.fixture(scope="session")
def weighed(
    open_toys: Callable[..., tuple[Run, list[Contender]]], fake: Callable[..., AbstractContextManager[Server]]
) -> tuple[Run, list[str], list[str]]:
    """A finished run, the steps until it was interrupted, and the steps of its continuation."""
    first, second = Steps(interrupt_at=4), Steps()
    with fake("--work", 0.002) as server:
        with pytest.raises(KeyboardInterrupt):
            weigh(*open_toys(), Cores((), ()), first, server)
        weigh(*open_toys(), Cores((), ()), second, server)
    return open_toys()[0], first.titles, second.titles
