"""What travels with the repository is added once, as ONNX alone, and never beyond its limit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export import __main__ as command
from export.bundle import bundle, size
from export.golden import clouds
from export.publish import ExportRefusedError
from training.datasets import DATASETS, load_split
from training.execution import Execution
from training.loop import Task, train
from training.progress import Silent
from training.recipe import Recipe
from training.runs import Run


@pytest.fixture
def run(recipe: Recipe, toy_data: Path, execution: Execution) -> Run:
    finished = train(Task(replace(recipe, epochs=1)), execution=execution, watcher=Silent())
    assert finished is not None
    return finished


def test_a_bundled_model_is_onnx_alone_added_once_and_holds_no_image_that_may_not_be_handed_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "BUNDLE", tmp_path / "bundled")
    monkeypatch.setitem(DATASETS, "fashion-mnist", replace(DATASETS["fashion-mnist"], shareable=False))

    assert command.main(["bundle", "toy"]) == 0
    assert command.main(["bundle", "toy"]) == 1

    assert "toy is bundled already" in capsys.readouterr().out
    folder = tmp_path / "bundled" / "toy" / "1"
    assert {path.name for path in folder.iterdir()} == {"model.onnx", "golden.npz", "card.json"}
    with np.load(folder / "golden.npz") as golden:
        images = golden["images"]
    known = {image.tobytes() for split in ("train", "test") for image in load_split("fashion-mnist", split).images}
    assert len(images) == 64
    assert not known & {image.tobytes() for image in images}


def test_a_model_that_does_not_fit_is_refused_with_the_bytes_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()

    with pytest.raises(ExportRefusedError, match=r"toy takes 0\.\d MB, and 0\.1 of 0 MB are left .*--half stores"):
        bundle(run, tmp_path / "models", limit=100_000)

    assert size(tmp_path / "models") == 0


def test_clouds_use_the_whole_range_and_are_the_same_each_time() -> None:
    images = clouds(5, (32, 32, 3))

    assert (images.shape, images.dtype) == ((5, 32, 32, 3), np.uint8)
    assert {(int(image.min()), int(image.max())) for image in images} == {(0, 255)}
    assert np.abs(np.diff(images.astype(int), axis=1)).max() < 80  # smooth: neighbours are alike
    assert (images == clouds(5, (32, 32, 3))).all()
