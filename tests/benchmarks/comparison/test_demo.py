from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from rich.console import Console
from toy import write_toy

from benchmarks.comparison.contenders import find_contenders
from benchmarks.comparison.demo import evaluations
from benchmarks.machine.server import Server
from benchmarks.report.thumbnail import thumbnail

Fake = Callable[..., AbstractContextManager[Server]]


def scored(root: Path, correct: int) -> None:
    """Give the toy a card that claims `correct` of 200."""
    path = write_toy(root, "a") / "card.json"
    score = {"dataset": "toys", "split": "test", "split_sha256": "0" * 64, "count": 200, "correct": correct,
             "accuracy": correct / 200, "low": 0.0, "high": 1.0, "runtime": "onnxruntime 1"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": score}))


def test_a_model_that_does_not_reproduce_its_card_is_a_problem_that_names_both_figures(
    fake: Fake, toys: Path, tmp_path: Path
) -> None:
    scored(tmp_path, correct=151)
    (tmp_path / "splits").symlink_to(toys / "models" / "splits")

    with fake() as server:  # finds 150 of 200
        problems = evaluations(server, find_contenders(tmp_path), tmp_path, Console(quiet=True))

    assert len(problems) == 1
    assert "150 of 200 correct, its card says 151 of 200" in problems[0]


def test_a_model_that_reproduces_its_card_to_the_digit_is_none(fake: Fake, toys: Path, tmp_path: Path) -> None:
    scored(tmp_path, correct=150)
    (tmp_path / "splits").symlink_to(toys / "models" / "splits")

    with fake() as server:
        assert evaluations(server, find_contenders(tmp_path), tmp_path, Console(quiet=True)) == []


def test_a_picture_is_drawn_two_pixels_per_character() -> None:
    image = np.zeros((28, 28, 1), np.uint8)
    image[:14] = 255

    drawn = thumbnail(image, width=4)

    assert drawn.plain == "▀▀▀▀\n▀▀▀▀"
    assert str(drawn.spans[0].style) == "#ffffff on #ffffff"
    assert str(drawn.spans[-1].style) == "#000000 on #000000"
