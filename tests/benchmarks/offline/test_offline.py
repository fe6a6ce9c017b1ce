"""Offline evaluation gives the document that /evaluate gives, in pieces, after an interruption, and on many nodes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from nodes import PYTHON, ROOT, cluster, needs_ray
from numpy.typing import NDArray
from pictures import encoded
from pyarrow import parquet
from toy import CLASSES, probabilities

from benchmarks.offline import engines, journal
from benchmarks.offline.__main__ import main
from benchmarks.offline.scorer import Scorer
from service.labelled import Uploaded
from service.scorecard import to_json
from service.settings import Settings
from service.shelf import Shelf
from service.sources import Bounds, open_source
from service.splits import find_splits
from service.trial import run_trials

IMAGES = np.random.default_rng(5).integers(0, 256, (90, 4, 4, 1), dtype=np.uint8)
LABELS = probabilities(IMAGES).argmax(axis=1) ^ (np.arange(90) % 7 == 0)
TIMES = ("latency", "throughput", "made")
Err = pytest.CaptureFixture[str]


def table(images: NDArray[np.uint8], labels: list[Any]) -> pa.Table:
    pictures = [{"bytes": encoded(image[..., 0]), "path": None} for image in images]
    return pa.table({"image": pictures, "label": labels})


def without_times(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name not in TIMES}
    for mistake in found["mistakes"]:
        mistake.pop("name", None)  # an upload has none
    return {**found, "split": None}


@pytest.fixture
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("benchmarks.offline.__main__.JOURNALS", tmp_path / "journals")
    return tmp_path / "journals"


@pytest.fixture
def data(tmp_path: Path, journals: Path) -> Path:
    """90 images in two files and row groups of 8, 8, 8, 8, 8, and 16, 16, 16, 2."""
    folder = tmp_path / "data"
    folder.mkdir()
    names = [CLASSES[label] for label in LABELS]
    parquet.write_table(table(IMAGES[:40], names[:40]), folder / "0.parquet", row_group_size=8)
    parquet.write_table(table(IMAGES[40:], names[40:]), folder / "1.parquet", row_group_size=16)
    return folder


def test_it_is_the_document_of_evaluate_for_the_same_images(
    data: Path, toy_models: Path, tmp_path: Path, capsys: Err
) -> None:
    whole = tmp_path / "whole.parquet"
    parquet.write_table(table(IMAGES, LABELS.tolist()), whole)
    settings = Settings(models=(toy_models,))
    shelf = Shelf(settings)
    shelf.load()
    opened = shelf.open(shelf.find("toy"), None)
    material = Uploaded(open_source([whole], Bounds.of(settings)), opened.card, settings)
    served = to_json(run_trials([opened], [material], batch_size=32, stop=threading.Event()))

    assert main([str(data), "--model", "toy", "--root", str(toy_models), "--batch-size", "8"]) == 0

    out, err = capsys.readouterr()
    assert without_times(out) == without_times(served)
    assert "toy@1, onnxruntime, on 90 images in 9 row groups" in err
    assert "90 of 90 images" in err
    names = [mistake["name"] for mistake in json.loads(out)["mistakes"]]
    assert all(name.startswith(("0.parquet row group", "1.parquet row group")) for name in names)


def test_what_was_done_before_an_interruption_is_not_done_again(
    data: Path, toy_models: Path, journals: Path, capsys: Err, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [str(data / "*.parquet"), "--model", "toy@1", "--root", str(toy_models)]
    assert main(command) == 0
    whole = capsys.readouterr().out

    def cut(*arguments: Any) -> Iterator[Any]:
        for place, scored in enumerate(engines.on_threads(*arguments)):
            if place == 4:
                raise KeyboardInterrupt
            yield scored

    monkeypatch.setitem(engines.ENGINES, "local", cut)
    assert main(command) == 130
    assert "interrupted; what is done is kept" in capsys.readouterr().err
    (kept,) = journals.iterdir()
    kept.write_text(kept.read_text()[:-40])  # a kill in the middle of a line
    monkeypatch.undo()
    monkeypatch.setattr("benchmarks.offline.__main__.JOURNALS", journals)

    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "images were done before" in err
    assert without_times(out) == without_times(whole)
    assert not list(journals.iterdir())


def test_a_file_that_changed_is_another_evaluation(data: Path, toy_models: Path, journals: Path) -> None:
    from benchmarks.offline.dataset import open_dataset
    from benchmarks.offline.scorer import Job

    job = Job("toy", "onnxruntime", 32, Settings(models=(toy_models,)).environ())
    opened = Scorer(job).opened
    before = journal.Journal(journals, open_dataset([str(data)]), job, opened).path
    os.utime(data / "0.parquet", ns=(1, 1))

    assert journal.Journal(journals, open_dataset([f"file://{data}"]), job, opened).path != before


def test_csv_and_html_are_written_where_one_says(data: Path, toy_models: Path, tmp_path: Path) -> None:
    command = [str(data), "--model", "toy", "--root", str(toy_models), "--output"]

    assert main([*command, str(tmp_path / "result.html")]) == 0
    assert main([*command, str(tmp_path / "result.csv")]) == 0

    assert "Most confident mistakes" in (tmp_path / "result.html").read_text()
    assert "toy@1,count,,,90" in (tmp_path / "result.csv").read_text()


@pytest.mark.parametrize(("label", "image", "said"), [
    ("grey", encoded(IMAGES[0, ..., 0]), "bad.parquet row group 1 row 1: 'grey' is no class of toy@1; use a name"),
    ("dark", b"no picture", "bad.parquet row group 1 row 1: "),
])
def test_what_cannot_be_scored_is_told_with_its_row(
    data: Path, toy_models: Path, tmp_path: Path, capsys: Err, label: str, image: bytes, said: str
) -> None:
    images = [encoded(each[..., 0]) for each in IMAGES[:6]]
    images[4], labels = image, ["dark"] * 6
    labels[4] = label
    parquet.write_table(pa.table({"image": images, "label": labels}), tmp_path / "bad.parquet", row_group_size=3)

    assert main([str(tmp_path / "bad.parquet"), "--model", "toy", "--root", str(toy_models)]) == 1

    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere.parquet", "--model", "toy"], "nowhere.parquet: there is no such file or folder"),
    (["nowhere-*.parquet", "--model", "toy"], "nowhere-*.parquet: no file is called like this"),
    ([__file__, "--model", "toy"], "cannot be read as Parquet"),
    (["DATA", "--model", "toy@7"], "there is no model 'toy@7'"),
])
def test_a_wrong_question_is_answered_with_the_reason(
    data: Path, toy_models: Path, capsys: Err, arguments: list[str], said: str
) -> None:
    asked = [str(data) if each == "DATA" else each for each in arguments]

    assert main([*asked, "--root", str(toy_models)]) == 1

    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("package", "module", "said"), [
    ("ray", "engines", "--engine ray needs Ray, which is not installed here: `make ray`"),
    ("pyarrow", "dataset", "Parquet is read with pyarrow, which is not installed here"),
])
def test_what_is_not_installed_is_told_with_the_cure(
    data: Path, toy_models: Path, capsys: Err, monkeypatch: pytest.MonkeyPatch, package: str, module: str, said: str
) -> None:
    monkeypatch.setattr(f"benchmarks.offline.{module}.find_spec", lambda name: None if name == package else object())

    assert main([str(data), "--model", "toy", "--root", str(toy_models), "--engine", "ray"]) == 1

    assert said in " ".join(capsys.readouterr().err.split())


def test_an_address_where_nothing_listens_is_told_at_once(
    data: Path, toy_models: Path, capsys: Err, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.offline.engines.find_spec", lambda name: object())
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    assert main([str(data), "--model", "toy", "--root", str(toy_models), "--engine", "ray"]) == 1

    assert "no cluster answers at RAY_ADDRESS=127.0.0.1:1" in " ".join(capsys.readouterr().err.split())


@needs_ray
def test_a_cluster_that_loses_a_node_ends_in_the_figures_of_this_machine(
    tmp_path: Path, journals: Path, capsys: Err
) -> None:
    splits, _ = find_splits(Settings().models)
    images, labels = splits["fashion-mnist-test"].load(5000)
    parquet.write_table(table(images, labels.tolist()), tmp_path / "data.parquet", row_group_size=256)
    asked = [str(tmp_path / "data.parquet")] * 4 + ["--model", "fm-fast"]
    assert main(asked) == 0
    here = capsys.readouterr().out

    told: list[str] = []
    with (
        cluster(2, tmp_path) as nodes,
        subprocess.Popen(
            [PYTHON, "-m", "benchmarks.offline", *asked, "--engine", "ray", "--output", str(tmp_path / "there.json")],
            cwd=ROOT, env={**os.environ, "RAY_ADDRESS": nodes.address}, text=True, stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            if line.endswith("of 20,000 images\n") and not any("of 20,000 images" in each for each in told):
                nodes.kill_one()
            told.append(line)
        assert process.wait(300) == 0, told

    there = (tmp_path / "there.json").read_text()
    assert without_times(there) == without_times(here)
    assert "20,000 of 20,000 images\n" in told
