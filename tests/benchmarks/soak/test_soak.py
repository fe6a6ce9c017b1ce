"""The soak and the flood: their judgement on answers made by hand, and both for a moment against a real service."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak.__main__ import stood
from benchmarks.soak.bodies import Body
from benchmarks.soak.connection import Answer
from benchmarks.soak.corpus import MAKERS, broken
from benchmarks.soak.memory import Memory
from benchmarks.soak.soaking import Plan, Soak, summary

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent.parent


def memory(*sizes: float) -> Memory:
    return Memory(0, [(float(at), int(size)) for at, size in enumerate(sizes)])


def test_memory_that_grows_is_seen_and_memory_that_only_swings_is_not() -> None:
    grows = memory(*(100e6 + at * 50e3 + (at % 7) * 1e5 for at in range(600))).verdict()
    swings = memory(*(100e6 + (at % 7) * 1e6 for at in range(600))).verdict()

    assert (grows["flat"], swings["flat"]) == (False, True)
    assert grows["interval"][0] < 50e3 * 60 < grows["interval"][1]


def test_a_leak_that_hides_in_noise_is_not_called_flat() -> None:
    noise = random.Random(5)
    levels = [100e6 * (1 + 0.04 * noise.gauss(0, 1)) for _ in range(10)]

    leaks = memory(*(levels[at // 60] + at * 10e3 for at in range(600))).verdict()

    assert leaks["flat"] is None


def test_a_moment_says_nothing_about_memory() -> None:
    assert memory(1, 2, 3).verdict()["flat"] is None


def test_the_corpus_is_the_same_for_the_same_seed_and_has_every_kind() -> None:
    files = [b"\x89PNG\r\n\x1a\n" + bytes(300)]

    assert list(islice(broken(3, files), 100)) == list(islice(broken(3, files), 100))
    assert {kind for kind, _, _ in islice(broken(3, files), 1000)} == set(MAKERS)


@pytest.mark.parametrize(("status", "content", "headers", "fault"), [
    (200, {"predictions": [{"index": 3}]}, {}, None),
    (200, {"predictions": [{"index": 4}]}, {}, "wrong"),
    (200, {"predictions": []}, {}, "wrong"),
    (422, {}, {}, "wrong"),
    (504, {}, {}, "late"),
    (503, {}, {}, "wrong"),
    (503, {}, {"retry-after": "1"}, None),
    (200, b"<html>", {}, "wrong"),
    (200, {"error": "none"}, {}, "wrong"),
    (200, [], {}, "wrong"),
])
def test_an_answer_is_held_against_the_truth(
    status: int, content: Any, headers: dict[str, str], fault: str | None
) -> None:
    soak = Soak("", 0, Plan(seconds=1, rate=1), [], iter(()), memory(1))

    told = content if isinstance(content, bytes) else json.dumps(content).encode()
    soak._judge(Answer(status, headers, told), Body("raw", "", b"", (3,)), (200,))

    assert [kind for kind, number in summary(soak.tally)["faults"].items() if number] == ([fault] if fault else [])


def test_one_lost_answer_is_too_many() -> None:
    fine = {"faults": {"lost": 0}, "tracebacks": 0, "memory": {"flat": None}}

    assert stood(fine)
    assert not stood({**fine, "faults": {"lost": 1}})
    assert not stood({**fine, "tracebacks": 1})
    assert not stood({**fine, "memory": {"flat": False}})


@pytest.mark.parametrize("arguments", [["--minutes", "0.1", "--utilisation", "0.2"], ["--requests", "300"]])
def test_the_service_stands_it_for_a_moment(arguments: list[str]) -> None:
    ran = subprocess.run([sys.executable, "-m", "benchmarks.soak", *arguments], cwd=ROOT, capture_output=True,
                         text=True, check=False, timeout=240)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "it stood" in ran.stdout
