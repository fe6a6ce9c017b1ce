"""A session setting is taken where it was measured to be clearly quicker, for that graph, here, and nowhere else."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from toy import probabilities, write_toy

from service import tuning
from service.__main__ import main as service
from service.runtimes import choices, open_model
from service.runtimes.choices import CHOICES, USUAL, choice_for, read_tuned
from service.runtimes.turns import Ratio, take_turns
from service.tuning import Clock, tune


def clock(**found: tuple[float, float]) -> Clock:
    """Ratios by choice, for one image and for a batch; what is not named takes as long as usual."""
    def ratio(at: float) -> Ratio:
        return Ratio(at, at - 0.01, at + 0.01, 40)

    return lambda sessions, images: {
        name: ratio(found.get(name.replace("-", "_"), (1.0, 1.0))[int(len(images) > 1)])
        for name in sessions if name != USUAL}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(choices, "STORE", tmp_path / "tuned.json")
    monkeypatch.setattr(tuning, "STORE", tmp_path / "tuned.json")
    return tmp_path / "tuned.json"


def test_what_is_clearly_quicker_is_taken_for_this_graph_and_these_threads_only(
    tmp_path: Path, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = write_toy(tmp_path / "models"), write_toy(tmp_path / "models", "other", height=8)

    found = tune(folder, 2, store, clock=clock(spinning=(0.6, 1.0), no_arena=(0.9, 0.9)))

    assert found.choice == "spinning"
    assert choice_for(folder / "model.onnx", 2) == "spinning"
    assert choice_for(folder / "model.onnx", 1) == USUAL
    assert choice_for(other / "model.onnx", 2) == USUAL
    with caplog.at_level(logging.INFO, "weighbridge"):
        run = open_model("onnxruntime", folder / "model.onnx", threads=2)
    assert "is opened with spinning, which was measured to be quicker here" in caplog.text
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    np.testing.assert_allclose(run(images), probabilities(images), atol=1e-6)


@pytest.mark.parametrize("found", [
    {"spinning": (0.99, 0.98)},                                # not clearly quicker
    {"spinning": (0.6, 1.3)},                                  # quicker at one size and slower at another
    {"spinning": (0.6, 0.6), "control": (0.7, 1.0)},           # the usual session differs from itself as well
])
def test_what_is_not_clearly_quicker_leaves_things_as_usual(
    found: dict[str, tuple[float, float]], tmp_path: Path, store: Path
) -> None:
    folder = write_toy(tmp_path / "models")
    tune(folder, 2, store, clock=clock(spinning=(0.5, 0.5)))

    assert tune(folder, 2, store, clock=clock(**found)).choice == USUAL

    assert read_tuned(store) == []  # what held before does not any more
    assert choice_for(folder / "model.onnx", 2) == USUAL


def test_one_thread_has_nobody_to_spin_for(tmp_path: Path, store: Path) -> None:
    found = tune(write_toy(tmp_path / "models"), 1, store, clock=clock())

    assert "spinning" not in found.measured[0]
    assert set(CHOICES) - {"spinning"} < set(found.measured[0])


def test_a_broken_file_is_told_and_sessions_open_as_usual(
    tmp_path: Path, store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.write_text('[{"sha256": 1}]')

    assert choice_for(write_toy(tmp_path / "models") / "model.onnx", 1) == USUAL
    assert "delete it and run python -m service tune again" in caplog.text


def test_the_command_really_measures_and_says_what_it_chose(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy(tmp_path / "models")
    monkeypatch.setenv("WEIGHBRIDGE_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(tuning, "take_turns", lambda calls, **_: take_turns(calls, rounds=6, round_s=0.0002))

    assert service(["tune", "toy", "--threads", "2"]) == 0
    assert service(["tune", "nobody"]) == 1

    told = capsys.readouterr()
    assert told.out.startswith("toy@1, 2 threads: ")
    assert "control " in told.out
    assert "no model matches nobody" in told.err
    assert {entry["model"] for entry in json.loads(store.read_text())} <= {"toy@1"}
