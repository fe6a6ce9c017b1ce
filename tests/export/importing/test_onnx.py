"""One linear classifier in every dress: whatever its input looks like, the artifact answers as numpy says.

Scores are softmax(W @ pixels + b), with pixels in 0..1, channels first.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from export.__main__ import main
from export.golden import clouds
from export.importing.asked import Asked, ImportRefusedError
from export.importing.foreign import understand
from export.importing.publish import publish
from service.card import read_card, verify_files
from service.runtimes import open_model

SHAPE = (4, 5, 3)
CLASSES = ("low", "middle", "high")
W = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
B = np.array([0.5, 0, -0.5], np.float32)
HEAD = '<ir_version: 8, opset_import: ["" : 17]> g '
ANY = HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w, b) }"

DRESSES = {
    "planes": (ANY, {}),
    "one image at a time by its shapes": (
        HEAD + "(float[1,3,4,5] x) => (float[1,3] y) { s = Constant<value = int64[2] {1, 60}>() f = Reshape(x, s) "
        "y = Gemm(f, w, b) }", {}),
    "one image at a time in earnest": (
        HEAD + "(float[1,3,4,5] x) => (float[1,3] y) { s = Constant<value = int64[3] {3, 4, 5}>() a = Reshape(x, s) "
        "t = Constant<value = int64[2] {1, 60}>() f = Reshape(a, t) y = Gemm(f, w, b) }", {}),
    "means over the batch that cancel out": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { f = Flatten(x) g = Gemm(f, w, b) "
        "m = ReduceMean<axes = [0], keepdims = 1>(g) z = Sub(g, m) q = Identity(m) y = Add(z, q) "
        "}", {}),
    "pixels": (
        HEAD + "(float[N,4,5,3] x) => (float[N,3] y) { t = Transpose<perm = [0, 3, 1, 2]>(x) f = Flatten(t) "
        "y = Gemm(f, w, b) }", {}),
    "bytes": (
        HEAD + "(uint8[N,4,5,3] x) => (float[N,3] y) { t = Transpose<perm = [0, 3, 1, 2]>(x) c = Cast<to = 1>(t) "
        "k = Constant<value = float {255.0}>() d = Div(c, k) f = Flatten(d) y = Gemm(f, w, b) }", {"normalize": None}),
    "halves": (
        HEAD + "(float16[N,3,4,5] x) => (float16[N,3] y) { c = Cast<to = 1>(x) f = Flatten(c) g = Gemm(f, w, b) "
        "y = Cast<to = 10>(g) }", {}),
    "doubles": (
        HEAD + "(double[N,3,4,5] x) => (float[N,3] y) { c = Cast<to = 1>(x) f = Flatten(c) y = Gemm(f, w, b) }", {}),
    "no batch axis": (
        HEAD + "(float[3,4,5] x) => (float[3] y) { s = Constant<value = int64[2] {1, 60}>() f = Reshape(x, s) "
        "g = Gemm(f, w, b) t = Constant<value = int64[1] {3}>() y = Reshape(g, t) }", {}),
    "a row": (
        HEAD + "(float[N,60] x) => (float[N,3] y) { y = Gemm(x, w, b) }", {"layout": "NF-CHW", "size": (4, 5)}),
    "any size": (
        HEAD + "(float[N,3,h,v] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w, b) }", {"size": (4, 5)}),
    "its own normalisation": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { k = Constant<value = float {255.0}>() d = Div(x, k) "
        "f = Flatten(d) y = Gemm(f, w, b) }", {"normalize": None}),
    "blue first": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { o = Constant<value = int64[3] {2, 1, 0}>() "
        "r = Gather<axis = 1>(x, o) f = Flatten(r) y = Gemm(f, w, b) }",
        {"bgr": True}),
    "probabilities": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { f = Flatten(x) g = Gemm(f, w, b) y = Softmax<axis = 1>(g) }",
        {}),
    "their logarithms, as a picture of one pixel": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3,1,1] y) { f = Flatten(x) g = Gemm(f, w, b) "
        "l = LogSoftmax<axis = 1>(g) a = Constant<value = int64[2] {2, 3}>() y = Unsqueeze(l, a) }", {}),
    "an output among others": (
        HEAD + "(float[N,3,4,5] x) => (float[N,60] f, float[N,3] y) { f = Flatten(x) y = Gemm(f, w, b) }",
        {"output": "y"}),
}
ALONE = {"one image at a time in earnest", "no batch axis"}


def expected(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    logits = (images.transpose(0, 3, 1, 2).reshape(len(images), -1) / 255) @ W.astype(np.float64) + B
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def model(text: str) -> onnx.ModelProto:
    made = onnx.parser.parse_model(text)
    made.graph.initializer.extend([numpy_helper.from_array(W, "w"), numpy_helper.from_array(B, "b")])
    return made


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """A plain import of `odd.onnx`, which a test writes."""
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return Asked(source=str(tmp_path / "odd.onnx"), classes=tmp_path / "classes.txt", normalize="unit",
                 to=tmp_path / "models")


@pytest.mark.parametrize("dress", DRESSES)
def test_the_artifact_answers_as_numpy_says_for_one_image_and_for_many(asked: Asked, dress: str) -> None:
    text, options = DRESSES[dress]
    onnx.save(model(text), asked.source)
    asked = replace(asked, **options)

    done = publish(understand(asked), asked)

    card = read_card(done.folder)
    verify_files(done.folder, card)
    run = open_model("onnxruntime", done.folder / "model.onnx")
    images = clouds(9, SHAPE)
    assert (card.input.shape, card.classes, card.parameters, card.macs) == (SHAPE, CLASSES, 183, 180)
    assert card.training["batches"] == ("one by one" if dress in ALONE else "together")
    tolerance = 5e-3 if dress == "halves" else 1e-5
    assert np.abs(run(images) - expected(images)).max() < tolerance
    assert np.abs(run(images[:1]) - expected(images[:1])).max() < tolerance
    assert card.golden.count == 64


def test_a_batch_that_would_mix_its_images_is_taken_apart(asked: Asked) -> None:
    text = HEAD + ("(float[N,3,4,5] x) => (float[N,3] y) { m = ReduceMean<axes = [0], keepdims = 1>(x) z = Add(x, m) "
                   "f = Flatten(z) y = Gemm(f, w, b) }")
    onnx.save(model(text), asked.source)

    done = publish(understand(asked), asked)

    run, images = open_model("onnxruntime", done.folder / "model.onnx"), clouds(5, SHAPE)
    assert done.card.training["batches"] == "one by one"
    assert np.array_equal(run(images), np.concatenate([run(image[None]) for image in images]))


def test_one_score_is_the_probability_of_the_second_of_two_classes(asked: Asked) -> None:
    made = onnx.parser.parse_model(HEAD + "(float[N,3,4,5] x) => (float[N,1] y) { f = Flatten(x) y = MatMul(f, w) }")
    made.graph.initializer.append(numpy_helper.from_array(W[:, :1].copy(), "w"))
    onnx.save(made, asked.source)
    asked.classes.write_text("no\nyes\n")

    done = publish(understand(asked), asked)

    images = clouds(3, SHAPE)
    second = 1 / (1 + np.exp(-(images.transpose(0, 3, 1, 2).reshape(3, -1) / 255) @ W[:, 0].astype(np.float64)))
    found = open_model("onnxruntime", done.folder / "model.onnx")(images)
    assert np.abs(found - np.stack([1 - second, second], axis=1)).max() < 1e-6


ONE = HEAD + "(float[N,3,4,5] x) => (float[N,1] y) {{ f = Flatten(x) g = MatMul(f, w) {} }}"
SHAPED = "s = Sigmoid(g) c = Cast<to = 1>(s) k = Constant<value = int64[2] {-1, 1}>() r = Reshape(c, k) y = Identity(r)"


@pytest.mark.parametrize(("ending", "said", "kind"), [
    (SHAPED, None, "probabilities"), ("y = Identity(g)", "probabilities", "probabilities"),
    ("y = Identity(g)", "logits", "logits"), ("y = Identity(g)", None, None), ("y = HardSigmoid(g)", None, None),
])
def test_one_score_within_0_and_1_is_a_probability_behind_a_sigmoid_and_else_asked_for(
    asked: Asked, ending: str, said: str | None, kind: str | None
) -> None:
    weights = np.full((60, 1), 1 / 60, np.float32)  # the mean of the pixels: on every image within 0 and 1
    made = onnx.parser.parse_model(ONE.format(ending))
    made.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(made, asked.source)
    asked.classes.write_text("no\nyes\n")
    asked = replace(asked, scores=said)
    if kind is None:
        with pytest.raises(ImportRefusedError, match=r"one score runs from .* say --scores probabilities, or --scores"):
            understand(asked)
        return

    done = publish(understand(asked), asked)

    mean = clouds(3, SHAPE).mean(axis=(1, 2, 3)) / 255
    second = mean if ending.endswith("(g)") and kind == "probabilities" else 1 / (1 + np.exp(-mean))
    found = open_model("onnxruntime", done.folder / "model.onnx")(clouds(3, SHAPE))
    assert done.card.training["imported"]["scores"] == kind
    assert np.abs(found - np.stack([1 - second, second], axis=1)).max() < 1e-6


def test_weights_beside_the_file_are_taken_in(asked: Asked) -> None:
    onnx.save_model(model(ANY), asked.source, save_as_external_data=True, location="odd.bin", size_threshold=0)

    done = publish(understand(asked), asked)

    assert [file.name for file in done.folder.iterdir() if file.suffix == ".bin"] == []
    assert np.abs(open_model("onnxruntime", done.folder / "model.onnx")(clouds(3, SHAPE)) - expected(clouds(3, SHAPE))
                  ).max() < 1e-5


def test_the_same_file_again_changes_nothing_and_another_answer_is_another_version(asked: Asked) -> None:
    onnx.save(model(ANY), asked.source)
    first = publish(understand(asked), asked)

    again = publish(understand(asked), asked)
    other = publish(understand(replace(asked, normalize="signed")), replace(asked, normalize="signed"))

    assert (again.existed, again.folder, other.card.version) == (True, first.folder, 2)


def test_labelled_images_put_accuracy_on_the_card_and_a_split_beside_the_model(asked: Asked, tmp_path: Path) -> None:
    onnx.save(model(ANY), asked.source)
    images = clouds(20, SHAPE)
    answers = expected(images).argmax(axis=1)
    for place, (image, answer) in enumerate(zip(images, answers, strict=True)):
        folder = tmp_path / "odd" / "test" / CLASSES[answer if place else (answer + 1) % 3]  # the first one wrongly
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{place}.png")
    asked = replace(asked, test=tmp_path / "odd" / "test")

    done = publish(understand(asked), asked)

    assert done.card.score is not None
    assert (done.card.score.dataset, done.card.score.count, done.card.score.correct) == ("odd", 20, 19)
    assert (asked.to / "splits" / "odd-test" / "split.json").is_file()


def test_other_images_under_the_name_of_a_split_are_refused_and_the_same_ones_in_another_order_are_not(
    asked: Asked, tmp_path: Path
) -> None:
    onnx.save(model(ANY), asked.source)
    images = clouds(4, SHAPE)
    for name, order in (("one", (0, 1, 2)), ("two", (2, 1, 0)), ("three", (0, 1, 3))):
        (tmp_path / name / CLASSES[0]).mkdir(parents=True)
        for place, number in enumerate(order):
            Image.fromarray(images[number]).save(tmp_path / name / CLASSES[0] / f"{place}.png")
    for name in ("one", "two"):
        wanted = replace(asked, test=tmp_path / name, dataset="clouds", name=name)
        assert publish(understand(wanted), wanted).card.score is not None

    with pytest.raises(ValueError, match="clouds-test holds other images"):
        publish(understand(wanted), replace(wanted, test=tmp_path / "three"))


def test_the_command_line_tells_what_it_found_and_ends_with_0_or_1(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(model(ANY), asked.source)
    command = ["import", asked.source, "--classes", str(asked.classes), "--to", str(asked.to)]

    assert main(command) == 1
    refused = capsys.readouterr().out
    assert main([*command, "--normalize", "unit"]) == 0
    told = capsys.readouterr().out

    assert "refused: the graph does not say how its pixels were normalised" in refused
    for line in ("layout NCHW: the input is (any, 3, 4, 5)", "as --normalize unit says", "logits: 16 images", "odd/1"):
        assert line in told


REFUSED = {
    "no normalisation": (ANY, {"normalize": None}, "does not say how its pixels were normalised.*--normalize"),
    "an unknown class count": (ANY, {"names": "a\nb"}, "gives 3 scores and 2 classes are named"),
    "a class twice": (ANY, {"names": "a\nb\na"}, "has a twice"),
    "an empty class": (ANY, {"names": "a\n\nb"}, "name 2 is empty"),
    "no classes": (ANY, {"classes": None}, "does not name its classes; say --classes"),
    "another size": (ANY, {"size": (9, 5)}, r"--size \(height\) is 9, and the graph takes 4"),
    "no such output": (ANY, {"output": "z"}, "--output z: the graph has no such output; it has y"),
    "outputs": (DRESSES["an output among others"][0], {}, r"has 2 outputs: f \(any, 60\), y \(any, 3\); say which"),
    "any size": (DRESSES["any size"][0], {}, "images of any size .*--size HEIGHTxWIDTH"),
    "a row of pixels": (DRESSES["a row"][0], {}, r"the input is \(any, 60\), which does not say .*--layout"),
    "a detector": (
        HEAD + "(float[N,3,4,5] x) => (float[N,4,5] y) { y = ReduceMean<axes = [1], keepdims = 0>(x) }", {},
        r"\(1, 4, 5\) for one image: several answers per image, as of a detector"),
    "custom operators": (
        HEAD.replace('"" : 17', '"" : 17, "my.ops" : 1') + "(float[N,3,4,5] x) => (float[N,3] y) { f = my.ops.Odd(x) "
        "y = Gemm(f, w, b) }", {}, "custom operators .*my.ops.Odd"),
    "several labels": (
        HEAD + "(float[N,3,4,5] x) => (float[N,3] y) { f = Flatten(x) g = Gemm(f, w, b) y = Sigmoid(g) }", {},
        "independent scores of several labels"),
    "a batch of eight": (
        HEAD + "(float[8,3,4,5] x) => (float[8,3] y) { f = Flatten(x) y = Gemm(f, w, b) }", {}, "8 images at a time"),
    "four channels": (
        HEAD + "(float[N,4,5,4] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w, b) }", {}, "say --layout"),
    "whole numbers": (
        HEAD + "(int64[N,3,4,5] x) => (float[N,3] y) { c = Cast<to = 1>(x) f = Flatten(c) y = Gemm(f, w, b) }", {},
        "its input x is INT64"),
    "an old operator set": (ANY.replace('"" : 17', '"" : 6'), {}, "operator set 6"),
    "colours of a grey network": (
        HEAD + "(float[N,1,4,15] x) => (float[N,3] y) { f = Flatten(x) y = Gemm(f, w, b) }", {"normalize": "imagenet"},
        "imagenet is for RGB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_refused_with_the_cure_and_leaves_nothing(asked: Asked, case: str) -> None:
    text, options, message = REFUSED[case]
    onnx.save(model(text), asked.source)
    asked.classes.write_text(options.get("names", "\n".join(CLASSES)))
    asked = replace(asked, **{key: value for key, value in options.items() if key != "names"})

    with pytest.raises(ImportRefusedError, match=f"(?s){message}"):
        publish(understand(asked), asked)

    assert not asked.to.exists()


def test_weights_outside_the_folder_are_refused(asked: Asked, tmp_path: Path) -> None:
    onnx.save_model(model(ANY), asked.source, save_as_external_data=True, location="odd.bin", size_threshold=0)
    made = onnx.load(asked.source, load_external_data=False)
    for place in ("../odd.bin", "/etc/passwd", "gone.bin"):
        for tensor in made.graph.initializer:
            next(entry for entry in tensor.external_data if entry.key == "location").value = place
        onnx.save(made, asked.source)

        message = "not beside it" if place == "gone.bin" else "outside its own folder"
        with pytest.raises(ImportRefusedError, match=message):
            understand(asked)


def test_a_file_that_is_no_model_is_refused(asked: Asked, tmp_path: Path) -> None:
    Path(asked.source).write_bytes(b"not a model at all")

    with pytest.raises(ImportRefusedError, match="is no ONNX file"):
        understand(asked)
    with pytest.raises(ImportRefusedError, match="there is no file"):
        understand(replace(asked, source=str(tmp_path / "gone.onnx")))
    with pytest.raises(ImportRefusedError, match=r"give FILE\.onnx, a TorchScript FILE\.pt"):
        understand(replace(asked, source=str(tmp_path / "classes.txt")))
