"""A normalisation is read from the graph, tried on labelled images, or asked for; never guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from export.importing import trials
from export.importing.asked import Asked, ImportRefusedError
from export.importing.foreign import understand
from export.importing.pixels import in_graph
from export.importing.publish import publish
from export.importing.signature import read_signature

HEAD = '<ir_version: 8, opset_import: ["" : 17]> g '
# Bright where the mean of pixels in 0..1 is above a half; 3 channels, of which red counts double and blue nothing.
BRIGHT = HEAD + "(float[N,3,4,4] x) => (float[N,2] y) { f = Flatten(x) y = Gemm(f, w, b) }"


def bright() -> onnx.ModelProto:
    made = onnx.parser.parse_model(BRIGHT)
    weights = np.zeros((48, 2), np.float32)
    weights[:16, 1], weights[16:32, 1] = 2 / 48 * 10, 1 / 48 * 10
    bias = np.array([0, -5], np.float32)
    made.graph.initializer.extend([numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")])
    return made


def labelled(folder: Path, count: int, seed: int) -> Path:
    """Images whose red and green decide what they are called."""
    random = np.random.default_rng(seed)
    for place in range(count):
        colour = random.integers(0, 256, 3)
        label = "bright" if 2 * colour[0] + colour[1] > 1.5 * 255 else "dark"
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), colour, np.uint8)).save(folder / label / f"{place}.png")
    return folder


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    onnx.save(bright(), tmp_path / "bright.onnx")
    (tmp_path / "classes.txt").write_text("dark\nbright")
    return Asked(source=str(tmp_path / "bright.onnx"), classes=tmp_path / "classes.txt", to=tmp_path / "models")


def test_labelled_images_tell_scale_and_order_of_the_channels(asked: Asked, tmp_path: Path) -> None:
    samples, test = labelled(tmp_path / "few", 150, 0), labelled(tmp_path / "test", 40, 1)
    asked = replace(asked, samples=samples, test=test)

    foreign = understand(asked)
    done = publish(foreign, asked)

    assert (foreign.pixels.mean, foreign.pixels.std, foreign.pixels.bgr) == ((0.0,), (1.0,), False)
    assert "unit is the best on 150 images" in foreign.pixels.why
    assert done.card.score is not None
    assert done.card.score.accuracy == 1
    assert done.card.training["imported"]["normalization"]["found"] == foreign.pixels.why


def test_of_many_images_all_classes_are_tried_though_folders_are_read_one_after_the_other(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MOST", 150)
    samples = labelled(tmp_path / "many", 400, 0)
    assert len([*(samples / "bright").iterdir()]) > 150  # raw pixels call every image bright

    foreign = understand(replace(asked, samples=samples))

    assert (foreign.pixels.mean, foreign.pixels.std, foreign.pixels.bgr) == ((0.0,), (1.0,), False)
    assert "unit is the best on 150 images" in foreign.pixels.why


def test_one_score_is_judged_by_one_threshold_whatever_a_normalisation_makes_of_it(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MOST", 1000)
    made = onnx.parser.parse_model(HEAD + "(float[N,3,4,4] x) => (float[N,1] y) { f = Flatten(x) y = MatMul(f, w) }")
    weights = np.zeros((48, 1), np.float32)
    weights[:16], weights[16:32] = 2 / 48, 1 / 48  # of pixels in -1..1 a logit; of those in 0..1 what is never below 0
    made.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(made, asked.source)

    foreign = understand(replace(asked, samples=labelled(tmp_path / "many", 1000, 0)))

    assert (foreign.pixels.mean, foreign.pixels.std, foreign.scores.kind) == ((0.5,), (0.5,), "logits")


def test_too_few_images_to_tell_are_told_with_what_they_gave(asked: Asked, tmp_path: Path) -> None:
    samples = labelled(tmp_path / "few", 6, 0)

    with pytest.raises(ImportRefusedError, match=r"on 6 images .* is not clearly the best.*Say --normalize"):
        understand(replace(asked, samples=samples))


def test_images_that_decide_may_not_judge(asked: Asked, tmp_path: Path) -> None:
    samples = labelled(tmp_path / "few", 150, 0)
    asked = replace(asked, samples=samples, test=samples)

    with pytest.raises(ImportRefusedError, match="150 images are in --samples and in --test"):
        publish(understand(asked), asked)


@pytest.mark.parametrize(
    ("beginning", "wants"),
    [
        ("k = Constant<value = float {255.0}>() n = Div(x, k)", "raw"),
        ("k = Constant<value = float {0.003921569}>() n = Mul(x, k)", "raw"),
        ("k = Constant<value = float {127.5}>() a = Sub(x, k) n = Div(a, k)", "raw"),
        ("k = Constant<value = float {120.0}>() n = Sub(x, k)", "raw"),
        ("k = Constant<value = float {0.485}>() a = Sub(x, k) j = Constant<value = float {0.229}>() n = Div(a, j)",
         "unit"),
        ("k = Constant<value = float {0.5}>() n = Sub(x, k)", "unit"),
        ("n = Identity(x)", None),
        ("n = Relu(x)", None),
        ("k = Constant<value = float {3.0}>() n = Mul(x, k)", "unit"),
        ("k = Constant<value = float {0.02}>() n = Mul(x, k)", "raw"),
        ("k = Constant<value = float {0.1}>() n = Mul(x, k)", None),
    ],
)
def test_arithmetic_at_the_beginning_says_what_the_graph_was_made_for(beginning: str, wants: str | None) -> None:
    model = onnx.parser.parse_model(HEAD + f"(float[N,3,4,4] x) => (float[N,48] y) {{ {beginning} y = Flatten(n) }}")

    found = in_graph(model, read_signature(model, Asked(source="")), bgr=False)

    if wants is None:
        assert found is None
    else:
        assert found is not None
        assert found.raw == (wants == "raw")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize": "unit", "mean": (0.5,)}, "say the same thing"),
        ({"mean": (0.5,)}, "give both"),
        ({"mean": (0.5, 0.5), "std": (0.2, 0.2)}, "or 3 each"),
        ({"mean": (123.0,), "std": (58.0,)}, "divide yours by 255"),
        ({"samples": Path("few"), "bgr": True}, "--bgr goes with --normalize"),
    ],
)
def test_what_is_said_about_pixels_must_make_sense(asked: Asked, options: dict, message: str) -> None:
    with pytest.raises(ImportRefusedError, match=message):
        understand(replace(asked, **options))
