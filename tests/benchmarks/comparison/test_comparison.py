"""A whole comparison of two toy models on a fake service: interrupted, continued, derived."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from toy import write_toy

from benchmarks.commands import shared
from benchmarks.comparison.contenders import (
    NothingToWeighError,
    check_files,
    check_format,
    find_contenders,
    find_split,
    with_images,
)
from benchmarks.comparison.publish import publish
from benchmarks.comparison.result import derive
from benchmarks.comparison.run import Run, RunError, open_run
from benchmarks.comparison.settings import Settings
from benchmarks.comparison.steps import weigh
from benchmarks.machine.cores import Cores
from benchmarks.machine.fingerprint import fingerprint
from benchmarks.machine.server import Server

Weighed = tuple[Run, list[str], list[str]]
Opened = Callable[..., tuple[Run, list[Any]]]
STEPS = ["2 connections, no pause", "one request at a time", "50% of throughput", "80% of throughput"]


def test_an_interrupted_run_continues_with_what_is_missing(weighed: Weighed) -> None:
    _, first, second = weighed

    assert [title.split(": ")[0] for title in first] == ["a"] * 4
    assert [title.split(": ")[0] for title in second] == ["a", *["b"] * 4]
    for title, step in zip([*first[:3], *second], STEPS * 2, strict=True):
        assert step in title


class Quiet:
    """A screen on which nothing should ever appear."""

    def step(self, title: str, seconds: float) -> Callable[[dict[str, float]], None]:
        raise AssertionError(title)


def test_a_finished_run_has_nothing_left_to_do(weighed: Weighed, open_toys: Opened) -> None:
    assert weigh(*open_toys(), Cores((), ()), Quiet()) == []


def test_all_models_get_the_same_images_at_the_same_shares(weighed: Weighed) -> None:
    run, *_ = weighed
    a, b = run.loads("a@1"), run.loads("b@1")

    assert [load.plan.seed for load in a] == [load.plan.seed for load in b]
    assert [load.plan.utilisation for load in a] == [load.plan.utilisation for load in b] == [None, None, 0.5, 0.8]
    shared = min(len(a[1].rows), len(b[1].rows))
    assert a[1].rows.image[:shared].tolist() == b[1].rows.image[:shared].tolist()


def test_other_settings_do_not_continue_a_run(weighed: Weighed, open_toys: Opened) -> None:
    with pytest.raises(RunError, match=r"begun with other settings \(seed\)"):
        open_toys(seed=1)


def test_another_machine_does_not_continue_a_run(weighed: Weighed, open_toys: Opened) -> None:
    run, contenders = open_toys()

    with pytest.raises(RunError, match=r"begun on another machine .*Abacus"):
        open_run(run.folder, run.settings, contenders, machine=fingerprint() | {"cpu": "Abacus 3000"})


def test_a_run_that_goes_on_with_other_code_says_so_and_one_that_is_only_read_does_not(
    weighed: Weighed, open_toys: Opened, tmp_path: Path
) -> None:
    original, contenders = open_toys()
    shutil.copytree(original.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    begun = run.facts["machine"]["commit"]
    other = fingerprint() | {"commit": "f00d"}

    run.note(finished="now")
    assert "then" not in open_run(run.folder, run.settings, contenders, machine=other).facts["machine"]
    run.note(finished=None)
    result = derive(open_run(run.folder, run.settings, contenders, machine=other))

    [note] = [note["reason"] for note in result["validity"]["notes"] if note["code"] == "commit"]
    assert note.startswith(f"begun on commit {begun} and continued on f00d: ")


def test_the_result_says_which_accuracy_was_measured_under_load(weighed: Weighed) -> None:
    result = derive(weighed[0])

    for entry in result["models"]:
        assert entry["accuracy"]["top1"] == 1.0
        assert entry["accuracy"]["n"] == sum(load["ok"] for load in entry["loads"])
    assert result["datasets"]["toys-test"]["bodies"] == 200
    assert "screening" in [note["code"] for note in result["validity"]["notes"]]


def test_a_published_result_is_small_and_carries_machine_seeds_and_validity(
    weighed: Weighed, tmp_path: Path
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
        open_run(tmp_path, Settings(), find_contenders(toys / "models"), machine=fingerprint())


def test_a_model_without_a_file_for_the_runtime_is_refused_with_the_cure(toys: Path) -> None:
    with pytest.raises(NothingToWeighError, match=r"a@1, b@1: not exported as torchscript.*--format torchscript"):
        check_format(find_contenders(toys / "models"), "torchscript")


def test_a_model_that_does_not_answer_is_reported_and_stops_no_other(
    toys: Path, fake: Callable[..., AbstractContextManager[Server]], tmp_path: Path
) -> None:
    contenders = find_contenders(toys / "models")
    settings = Settings(root=str(toys / "models"), micro_seconds=0)
    run = open_run(tmp_path / "run", settings, contenders, machine=fingerprint(), cores="", command="", created="now")

    with fake("--fail-every", 1) as server:
        problems = weigh(run, contenders, Cores((), ()), Quiet(), server)

    assert [problem.split(": ")[:2] for problem in problems] == [
        [name, "POST /predict answered 503"] for name in ("a@1", "b@1")
    ]
    assert derive(run)["missing"] == ["a@1", "b@1"]


def test_unknown_models_and_missing_images_are_explained(toys: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingToWeighError, match="no models under"):
        find_contenders(tmp_path)
    with pytest.raises(NothingToWeighError, match=r"no model matches c\*; there are a, b"):
        find_contenders(toys / "models", ["c*"])
    write_toy(tmp_path, "lonely")
    with pytest.raises(NothingToWeighError, match="no split under"):
        find_split(tmp_path, find_contenders(tmp_path)[0].card)


def test_a_model_whose_files_are_not_what_its_card_says_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    write_toy(tmp_path, "whole")
    (write_toy(tmp_path, "broken") / "model.onnx").unlink()

    with pytest.raises(NothingToWeighError, match=r"broken@1: .*is missing from .*; export it again, or choose others"):
        check_files(find_contenders(tmp_path))
    check_files(find_contenders(tmp_path, ["whole"]))


def test_a_model_without_labelled_images_is_left_out_with_the_cure_and_keeps_no_other_from_being_weighed(
    toys: Path, tmp_path: Path
) -> None:
    (tmp_path / "splits").symlink_to(toys / "models" / "splits")
    write_toy(tmp_path, "a")
    coloured = write_toy(tmp_path, "coloured", channels=3) / "card.json"
    score = {"dataset": "cifar10-jpeg", "split": "test", "split_sha256": "0" * 64, "count": 2, "correct": 1,
             "accuracy": 0.5, "low": 0.0, "high": 1.0, "runtime": "onnxruntime 1"}
    coloured.write_text(json.dumps(json.loads(coloured.read_text()) | {"score": score}))
    said: list[str] = []

    kept = with_images(tmp_path, find_contenders(tmp_path), said.append)

    assert [contender.id for contender in kept] == ["a@1"]
    (line,) = said
    assert line == ("coloured@1 is served and not weighed: its labelled images are not here; "
                    f"python -m export --split cifar10-jpeg test --to {tmp_path}")
    with pytest.raises(NothingToWeighError, match=r"coloured@1 takes \(4, 4, 3\) images"):
        with_images(tmp_path, find_contenders(tmp_path, ["coloured"]), said.append)


def test_a_rate_that_is_named_twice_is_meant_once() -> None:
    assert shared.rates("100,0.04,100.00001,200") == (100.0, 0.04, 200.0)
