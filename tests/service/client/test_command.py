"""`python -m service predict`, `evaluate` and `models`, as a shell runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import encoded
from process import REPOSITORY, Process

from service.client import command

Ran = subprocess.CompletedProcess[bytes]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name, level in (("a black one", 0), ("white[1]", 255)):
        (tmp_path / f"{name}.png").write_bytes(encoded(np.full((4, 4), level, np.uint8)))
    return tmp_path


def run(server: Process, desk: Path, *arguments: str, stdin: bytes = b"") -> Ran:
    keep = {**os.environ, "WEIGHBRIDGE_URL": server.url, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments], cwd=desk, input=stdin, capture_output=True, env=keep, check=False
    )


def test_a_glob_is_classified_file_by_file_as_lines_of_json(server: Process, desk: Path) -> None:
    ran = run(server, desk, "predict", "*.png", "white[1].png", "--json", "--top-k", "1")

    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == command.DONE, ran.stderr
    assert [(line["file"], line["label"], len(line["top"])) for line in lines] == [
        ("a black one.png", "dark", 1), ("white[1].png", "bright", 1), ("white[1].png", "bright", 1),
    ]


def test_a_picture_or_a_list_of_names_can_be_piped_in(server: Process, desk: Path) -> None:
    picture = run(server, desk, "predict", "--json", stdin=(desk / "white[1].png").read_bytes())
    names = run(server, desk, "predict", "--json", "--list", "-", stdin=b"white[1].png\na black one.png\n")

    assert json.loads(picture.stdout)["label"] == "bright"
    assert [json.loads(line)["label"] for line in names.stdout.splitlines()] == ["bright", "dark"]


def test_a_bad_file_does_not_keep_the_others_from_their_answer_but_is_told(server: Process, desk: Path) -> None:
    (desk / "bad.png").write_bytes(b"no")

    ran = run(server, desk, "predict", "bad.png", "white[1].png")

    assert ran.returncode == command.REFUSED
    assert b"bright" in ran.stdout
    assert b"no known image" in ran.stdout


def test_models_and_scores_are_tables_or_json(server: Process, desk: Path) -> None:
    assert b"toy@2 (default)" in run(server, desk, "models").stdout
    assert json.loads(run(server, desk, "models", "--json").stdout)["default"] == "toy@2"
    assert b"accuracy" in run(server, desk, "evaluate", "--split", "halves", "--limit", "50").stdout
    assert json.loads(run(server, desk, "evaluate", "--limit", "50", "--json").stdout)["count"] == 50


def test_files_are_scored_compared_and_written_as_a_document(
    server: Process, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(desk / "x.npz", images=np.zeros((3, 4, 4), np.uint8), labels=np.zeros(3, np.int64))
    monkeypatch.chdir(desk)
    monkeypatch.setenv("WEIGHBRIDGE_URL", server.url)

    assert command.main(["evaluate", "x.npz", "--compare", "toy@1"]) == command.DONE
    assert "minus toy@1" in capsys.readouterr().out
    assert command.main(["evaluate", "x.npz", "--format", "html", "--output", "x.html"]) == command.DONE
    assert "100.00%" in (desk / "x.html").read_text()
    assert command.main(["evaluate", "x.npz", "--detach"]) == command.DONE
    job = capsys.readouterr().out.strip()
    assert command.main(["evaluate", "--job", job, "--format", "csv"]) == command.DONE
    assert "accuracy,,,1.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"), [
        (["predict", "nope.png"], command.WRONG, "no such file"),
        (["predict", "-", "-"], command.WRONG, "can be read once"),
        (["predict", "--deadline", "0", "x"], command.WRONG, "deadline"),
        (["evaluate", "x.npz", "--job", "1", "--limit", "5"], command.WRONG, "leave the files, --limit out, or --job"),
        (["evaluate", "--job", "1", "--detach"], command.WRONG, "leave --detach out"),
        (["predict", "--model", "nope", "white[1].png"], command.REFUSED, "no model 'nope'"),
        (["models", "--url", "http://127.0.0.1:1"], command.UNREACHABLE, "nothing answers"),
        (["models", "--url", "no address"], command.WRONG, "address"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    server: Process, desk: Path, arguments: list[str], code: int, told: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("WEIGHBRIDGE_URL", server.url)

    try:
        found = command.main(arguments)
    except SystemExit as end:  # argparse's own
        found = end.code

    out, complaint = capsys.readouterr()
    assert (found, out) == (code, "")
    assert told in complaint
