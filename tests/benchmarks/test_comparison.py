"""A whole comparison of two toy models on a fake service: interrupted, continued, derived, reported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import write_toy

from benchmarks.comparison import weigh
from benchmarks.contenders import Contender, NothingToWeighError, find_contenders, find_split
from benchmarks.cores import Cores
from benchmarks.machine import fingerprint
from benchmarks.publish import publish
from benchmarks.result import derive
from benchmarks.run import Run, RunError, open_run
from benchmarks.server import Server
from benchmarks.settings import Settings
from service.splits import write_split

SETTINGS = Settings(seconds=0.6, micro_seconds=0, body="raw", screening=True, connections=2)
STEPS = ["2 connections, no pause", "one request at a time", "50% of capacity", "80% of capacity"]


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


def open_toys(root: Path, **changes: Any) -> tuple[Run, list[Contender]]:
    contenders = find_contenders(root / "models")
    settings = replace(SETTINGS, root=str(root / "models"), **changes)
    run = open_run(root / "run", settings, contenders, machine=fingerprint(), cores="", command="make bench",
                   created="2026-01-01T00:00:00Z")
    return run, contenders


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models a@1 and b@1, and a split whose first pixel is its label."""
    import numpy as np

    root = tmp_path_factory.mktemp("toys")
    write_toy(root / "models", "a")
    write_toy(root / "models", "b")
    labels = np.arange(200) % 2
    images = np.random.default_rng(0).integers(0, 256, (200, 4, 4, 1), dtype=np.uint8)
    images[:, 0, 0, 0] = labels
    write_split(root / "models" / "splits" / "toys-test", images, labels, dataset="toys", split="test",
                classes=("dark", "bright"), licence="none")
    return root


@pytest.fixture(scope="module")
def weighed(toys: Path, fake: Callable[..., AbstractContextManager[Server]]) -> tuple[Run, Steps, Steps]:
    """The run, the steps until it was interrupted, and the steps of its continuation."""
    run, contenders = open_toys(toys)
    first, second = Steps(interrupt_at=4), Steps()
    with fake("--work", 0.002) as server:
        with pytest.raises(KeyboardInterrupt):
            weigh(run, contenders, Cores((), ()), first, server)
        weigh(open_toys(toys)[0], contenders, Cores((), ()), second, server)
    return run, first, second


def test_an_interrupted_run_continues_with_what_is_missing(weighed: tuple[Run, Steps, Steps]) -> None:
    _, first, second = weighed

    assert [title.split(": ")[0] for title in first.titles] == ["a"] * 4
    assert [title.split(": ")[0] for title in second.titles] == ["a", *["b"] * 4]
    for title, step in zip([*first.titles[:3], *second.titles], STEPS * 2, strict=True):
        assert step in title


def test_a_finished_run_has_nothing_left_to_do(weighed: tuple[Run, Steps, Steps], toys: Path) -> None:
    steps, (run, contenders) = Steps(), open_toys(toys)

    weigh(run, contenders, Cores((), ()), steps)  # without a server: it would have to start one

    assert steps.titles == []


def test_all_models_get_the_same_images_at_the_same_shares(weighed: tuple[Run, Steps, Steps]) -> None:
    run, *_ = weighed
    a, b = run.loads("a@1"), run.loads("b@1")

    assert [load.plan.seed for load in a] == [load.plan.seed for load in b]
    assert [load.plan.utilisation for load in a] == [load.plan.utilisation for load in b] == [None, None, 0.5, 0.8]
    shared = min(len(a[1].rows), len(b[1].rows))
    assert a[1].rows.image[:shared].tolist() == b[1].rows.image[:shared].tolist()


def test_other_settings_do_not_continue_a_run(weighed: tuple[Run, Steps, Steps], toys: Path) -> None:
    with pytest.raises(RunError, match=r"begun with other settings \(seed\)"):
        open_toys(toys, seed=1)


def test_another_machine_does_not_continue_a_run(weighed: tuple[Run, Steps, Steps], toys: Path) -> None:
    run, contenders = open_toys(toys)

    with pytest.raises(RunError, match=r"begun on another machine .*Abacus"):
        open_run(run.folder, run.settings, contenders, machine=fingerprint() | {"cpu": "Abacus 3000"})


def test_the_result_says_which_accuracy_was_measured_under_load(weighed: tuple[Run, Steps, Steps]) -> None:
    result = derive(weighed[0])

    for entry in result["models"]:
        assert entry["accuracy"]["top1"] == 1.0
        assert entry["accuracy"]["n"] == sum(load["ok"] for load in entry["loads"])
    assert result["datasets"]["toys-test"]["bodies"] == 200
    assert "screening" in [note["code"] for note in result["validity"]["notes"]]


def test_a_published_result_is_small_and_carries_machine_seeds_and_validity(
    weighed: tuple[Run, Steps, Steps], tmp_path: Path
) -> None:
    result = derive(weighed[0])

    path = publish(result, tmp_path)

    text = path.read_text()
    assert '"hdr"' not in text
    for key in ("machine", "commit", "seeds", "requests", "validity", "sha256"):
        assert f'"{key}"' in text
    assert path.stem.endswith("cores")


def test_a_foreign_folder_is_not_written_into(toys: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear diary")

    with pytest.raises(RunError, match="is not empty and holds no run"):
        open_run(tmp_path, SETTINGS, find_contenders(toys / "models"), machine=fingerprint())


def test_unknown_models_and_missing_images_are_explained(toys: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToWeighError, match="no models under"):
        find_contenders(tmp_path)
    with pytest.raises(NothingToWeighError, match=r"no model matches c\*; there are a, b"):
        find_contenders(toys / "models", ["c*"])
    write_toy(tmp_path, "lonely")
    with pytest.raises(NothingToWeighError, match="no split under"):
        find_split(tmp_path, find_contenders(tmp_path)[0].card)
