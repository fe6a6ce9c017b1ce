"""docs/own-model.md works as it is written: its files are saved, its commands typed in order, its answers as printed.

Not typed is the weighing itself, which takes minutes; that it would find the models and their images is asked instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import examples
from process import REPOSITORY, Process, running

from benchmarks.__main__ import _parser
from benchmarks.comparison.contenders import find_contenders, with_images

pytestmark = pytest.mark.slow

GUIDE = (REPOSITORY / "docs" / "own-model.md").read_text()
BEFORE, _, SERVED = GUIDE.partition("## 4. Serve")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's home, with the files that the guide says to save."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "own").mkdir()
    for name, code in re.findall(r"`~/own/(\w+\.py)`:\n\n```python\n(.*?)```", GUIDE, re.DOTALL):
        (folder / "own" / name).write_text(code)
    return folder


@pytest.fixture(scope="module")
def made(home: Path) -> Path:
    """The reader's models, after the steps before serving."""
    for command, promised in examples(BEFORE):
        check(command, promised, home)
    return home / "own" / "models"


@pytest.fixture(scope="module")
def server(made: Path, home: Path) -> Iterator[Process]:
    with running(made, home / "server") as process:
        yield process


def check(command: str, promised: str, home: Path, url: str = "") -> None:
    """Type `command`; its answer has what is promised, in that order, where `…` stands for anything."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    ran = subprocess.run(
        ["bash", "-c", command.replace(".venv/bin/python", sys.executable)], cwd=REPOSITORY, capture_output=True,
        text=True, timeout=300, check=False,
        env={**keep, "HOME": str(home), "WEIGHBRIDGE_RUNS": str(home / "runs"), "WEIGHBRIDGE_URL": url,
             "COLUMNS": "200", "OMP_NUM_THREADS": "1"},  # other tests run on the other cores
    )
    refused = "refused:" in promised
    assert (ran.returncode != 0) == refused, ran.stdout + ran.stderr
    pattern = ".*".join(re.escape(part) for part in promised.split("…"))
    assert re.match(pattern, ran.stdout, re.DOTALL), f"{command}\n{ran.stdout}\n{ran.stderr}"


def test_the_guide_makes_a_model_and_a_rival_from_nothing_that_is_known_here(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == [
        "digits-fm000-relu-from-mine", "digits-fm002-ann-mod", "mine", "splits",
    ]


def test_the_guide_serves_and_evaluates_what_it_made(server: Process, home: Path) -> None:
    for command, promised in examples(SERVED):
        check(command, promised, home, server.url)


def test_the_guide_s_weighing_finds_the_models_and_their_images(made: Path) -> None:
    command = next(line for line in GUIDE.splitlines() if "-m benchmarks weigh" in line)
    options = _parser().parse_args(command.split()[3:])

    found = with_images(made, find_contenders(made), pytest.fail)

    assert options.command == "weigh"
    assert [contender.card.name for contender in found] == [
        "digits-fm000-relu-from-mine", "digits-fm002-ann-mod", "mine",
    ]
    assert all(each.card.score and each.card.score.accuracy > options.min_accuracy for each in found)
