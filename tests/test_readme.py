"""The README and docs/ are true: tables are current, commands exist, and examples answer as printed.

A ```console block holds commands after `$ ` and, where it prints one, the answer; `…` ends what is promised of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import examples
from process import REPOSITORY, Process, running

from benchmarks import readme

TEXT = (REPOSITORY / "README.md").read_text()
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
RUN_HERE = [each for each in DOCUMENTS if each.name != "own-model.md"]  # which has a test, and models, of its own
SHOWN = [each for document in RUN_HERE for each in examples(document.read_text())]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running(REPOSITORY / "models", tmp_path_factory.mktemp("home")) as process:
        yield process


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader types: examples build on the files of earlier ones."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(REPOSITORY / "README.md", folder)
    return folder


@pytest.mark.parametrize(("command", "promised"), SHOWN)
def test_an_example_answers_as_its_document_shows(server: Process, desk: Path, command: str, promised: str) -> None:
    address = server.url.removeprefix("http://")

    ran = subprocess.run(
        ["bash", "-c", command.replace("localhost:3000", address).replace("curl ", "curl -sS ", 1)],
        cwd=desk, capture_output=True, text=True, timeout=60, check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(promised.split("…")[0])
    if not promised and ran.stdout:
        assert "type" not in json.loads(ran.stdout), "a problem, where an answer was expected"


@pytest.mark.parametrize("code", [code for each in RUN_HERE for code in PYTHON.findall(each.read_text())])
def test_an_example_in_python_runs(server: Process, desk: Path, code: str) -> None:
    address = server.url.removeprefix("http://")

    subprocess.run(
        [sys.executable, "-c", code.replace("localhost:3000", address)], cwd=desk, timeout=60, check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def test_the_generated_tables_are_current() -> None:
    assert readme.main(["--check"]) == 0, "run `make readme`"


def test_every_generated_part_is_in_a_document() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)

    assert set(re.findall(r"<!-- generated: ([a-z-]+) -->", text)) == set(readme.BLOCKS)


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:`|^)make ([a-z]+)", TEXT, re.MULTILINE)) <= targets


def test_every_file_that_a_document_links_to_exists() -> None:
    for document in (*DOCUMENTS, REPOSITORY / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
