"""A folder of class folders, or Parquet, becomes a data set; what cannot be used is named."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from service.card import InputSpec
from service.images import decode as decode_as_the_service_does
from training.datasets import MissingDataset, facts_of, load_split
from training.own import pictures
from training.own.parts import divide
from training.own.prepare import prepare
from training.own.store import public_name

Draw = Callable[..., Image.Image]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_folder_gives_classes_parts_and_the_normalisation_of_what_is_trained_on(shapes: Path) -> None:
    facts = prepare(shapes)

    train, test = load_split(facts.dataset, "train"), load_split(facts.dataset, "test")
    assert (facts.name, facts.classes) == ("bright-columns", ("column 0", "column 1", "column 2"))
    assert (facts.train, facts.validation, facts.test) == (63, 9, 18)
    assert (train.images.shape, test.images.shape) == ((72, 12, 12, 1), (18, 12, 12, 1))
    learned = train.images[: facts.train] / 255
    assert facts.mean == (pytest.approx(learned.mean(), abs=1e-4),)
    assert facts.std == (pytest.approx(learned.std(), abs=1e-4),)
    assert np.bincount(test.labels).tolist() == [6, 6, 6]
    assert np.bincount(train.labels[facts.train :]).tolist() == [3, 3, 3]
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}


def test_parts_follow_the_pictures_and_neither_names_nor_times_nor_seeds(shapes: Path, tmp_path: Path) -> None:
    facts = prepare(shapes)
    test = {image.tobytes() for image in load_split(facts.dataset, "test").images}
    for file in list(shapes.rglob("*.png")):
        file.rename(file.with_name(f"renamed-{29 - int(file.stem):02}.png"))

    again = prepare(shapes, name="other")

    assert {image.tobytes() for image in load_split(again.dataset, "test").images} == test


def test_what_was_prepared_is_not_read_again_and_a_changed_folder_is_another_data_set(
    shapes: Path, draw: Draw
) -> None:
    told: list[str] = []
    first = prepare(shapes, tell=lambda doing, *_: told.append(doing))
    assert set(told) == {"looking", "reading"}
    told.clear()

    again = prepare(shapes, tell=lambda doing, *_: told.append(doing))
    draw(0, 999).save(shapes / "column 0" / "new.png")
    other = prepare(shapes)

    assert (again, told) == (first, [])
    assert other.digest != first.digest
    assert load_split(first.dataset, "train").sha256 != load_split(other.dataset, "train").sha256


@pytest.fixture
def parted(shapes: Path, draw: Draw) -> Path:
    """Four images of each of three classes in every part."""
    parted = shapes.parent / "parted"
    for part, first in (("train", 0), ("val", 1000), ("test", 2000)):
        for label in range(3):
            folder = parted / part / str(label)
            folder.mkdir(parents=True)
            for place in range(4):
                draw(label, first + 10 * label + place).save(folder / f"{place}.png")
    return parted


def test_parts_that_the_folder_has_are_kept(parted: Path) -> None:
    shutil.copy(parted / "test" / "1" / "0.png", parted / "train" / "1" / "copy.png")

    facts = prepare(parted)

    assert (facts.train, facts.validation, facts.test, facts.left_out) == (12, 12, 12, 1)
    assert facts.rules["parts"] == "as the data says"


@pytest.mark.parametrize(
    ("missing", "counts", "said"),
    [
        (["val"], (9, 3, 12), "as the data says, and an eighth of each class of train is held out"),
        (["test"], (9, 12, 3), "as the data says, and a fifth of each class of train is tested on"),
        (["val", "test"], (6, 3, 3), "a fifth of each class is tested on and an eighth of the rest held out"),
    ],
    ids=["validation", "test", "both"],
)
def test_a_part_that_the_folder_lacks_is_taken_from_train_and_the_facts_say_so(
    parted: Path, missing: list[str], counts: tuple[int, int, int], said: str
) -> None:
    for part in missing:
        shutil.rmtree(parted / part)

    facts = prepare(parted)

    assert (facts.train, facts.validation, facts.test) == counts
    assert facts.rules["parts"] == f"{said}, by the hash of the pixels"


def test_images_of_several_sizes_are_stretched_when_a_size_is_said(shapes: Path, draw: Draw) -> None:
    draw(1, 5, (24, 30), 3).save(shapes / "column 1" / "large.jpg")

    with pytest.raises(ValueError, match=r"2 sizes, from 12x12 to 24x30; .* e\.g\. --size 12x12"):
        prepare(shapes)
    facts = prepare(shapes, size=(10, 14))

    assert (facts.height, facts.width, facts.channels, facts.resized) == (10, 14, 3, 91)
    assert public_name(facts.dataset) == "bright-columns-10x14"


def test_parquet_gives_what_the_folder_gives(shapes: Path, tmp_path: Path) -> None:
    files = sorted(shapes.rglob("*.png"))
    labels = [file.parent.name for file in files]
    pictures_ = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    (tmp_path / "tables").mkdir()
    parquet.write_table(pa.table({"image": pictures_, "label": labels}), tmp_path / "tables" / "data-0.parquet")

    facts, folder = prepare(tmp_path / "tables", name="one"), prepare(shapes, name="two")

    assert (facts.classes, facts.digest) == (folder.classes, folder.digest)


def test_parquet_of_the_hub_brings_parts_and_class_names(tmp_path: Path, data_root: Path, draw: Draw) -> None:
    features = {"image": {"_type": "Image"}, "label": {"names": ["zebra", "ant"], "_type": "ClassLabel"}}
    told = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    for part, first in (("train", 0), ("test", 100)):
        rows = [(encoded(draw(place % 2, first + place)), place % 2) for place in range(8)]
        table = pa.table({"image": [row[0] for row in rows], "label": [row[1] for row in rows]})
        (tmp_path / "hub" / "data").mkdir(parents=True, exist_ok=True)
        file = tmp_path / "hub" / "data" / f"{part}-00000-of-00001.parquet"
        parquet.write_table(table.replace_schema_metadata(told), file)

    facts = prepare(tmp_path / "hub")

    assert facts.classes == ("zebra", "ant")
    assert (facts.train, facts.validation, facts.test) == (6, 2, 8)


BAD = {
    "nothing there": (lambda path: shutil.rmtree(path), "does not exist; give a folder of class folders"),
    "no images": (lambda path: [shutil.rmtree(each) for each in path.iterdir()], "holds no images in class folders"),
    "one class": (lambda path: [shutil.rmtree(path / f"column {k}") for k in (1, 2)], "found 1 classes"),
    "a loose image": (lambda path: shutil.copy(path / "column 0/0.png", path / "0.png"), "lies in no class folder"),
    "a folder too deep": (lambda path: (path / "column 0" / "deep").mkdir(), "is a folder within a class folder"),
    "no picture": (lambda path: (path / "column 0/notes.txt").write_text("hello"), "column 0/notes.txt is no PNG"),
    "an empty file": (lambda path: (path / "column 0/0.png").write_bytes(b""), "column 0/0.png is empty"),
    "a cut file": (lambda path: os.truncate(path / "column 0/0.png", 60), "column 0/0.png .*1 of 90|1 of 90.*0.png"),
    "too few of a class": (
        lambda path: [file.unlink() for file in (path / "column 0").iterdir() if file.name > "1"],
        "no image of the class 'column 0'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_folder_is_refused_and_the_file_or_class_is_named(shapes: Path, case: str) -> None:
    damage, message = BAD[case]
    damage(shapes)

    with pytest.raises(ValueError, match=f"(?s)--data: .*({message})"):
        prepare(shapes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"picture": [b"x"], "label": [1]}, "has the columns picture, label, and not one of image"),
        ({"image": [b"x"], "label": [1.5]}, "has the label 1.5; labels are whole numbers or names"),
        ({"image": [b"x", b"y"], "label": [0, 1]}, "2 of 2 images cannot be used"),
        ({"image": ["x", "y"], "label": [0, 1]}, "holds no bytes of an encoded image"),
    ],
)
def test_bad_parquet_is_refused(tmp_path: Path, data_root: Path, table: dict, message: str) -> None:
    parquet.write_table(pa.table(table), tmp_path / "bad.parquet")

    with pytest.raises(ValueError, match=f"(?s){message}"):
        prepare(tmp_path / "bad.parquet")


def test_a_file_that_only_says_it_is_parquet_is_refused(tmp_path: Path, data_root: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing more")

    with pytest.raises(ValueError, match="cannot be read"):
        prepare(tmp_path / "bad.parquet")


def test_own_data_that_is_not_here_says_how_to_prepare_it(data_root: Path) -> None:
    for ask in (facts_of, lambda dataset: load_split(dataset, "train")):
        with pytest.raises(MissingDataset, match="python -m training RECIPE --data PATH"):
            ask("flowers:0123abcd")


def test_pictures_are_decoded_as_the_service_decodes_them(draw: Draw) -> None:
    colour, grey = draw(1, 0, (40, 30), 3), draw(1, 0, (40, 30))
    turned = Image.Exif()
    turned[0x0112] = 6
    alpha = colour.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(alpha.size))
    deep = Image.fromarray((np.arange(1200, dtype=np.uint16) * 50).reshape(40, 30))
    files = [
        encoded(colour), encoded(grey), encoded(colour, "JPEG", exif=turned), encoded(alpha), encoded(deep),
        encoded(colour.convert("P")), encoded(grey.convert("1")), encoded(colour, "WEBP"), encoded(grey, "BMP"),
    ]
    for data in files:
        for shape in ((20, 16, 3), (20, 16, 1), (40, 30, 1)):
            spec = InputSpec(height=shape[0], width=shape[1], channels=shape[2])
            theirs = decode_as_the_service_does(data, spec, max_pixels=10**6, resize="fit").pixels

            assert np.array_equal(pictures.decode(data, shape), theirs)
    assert pictures.look(files[2]) == ((30, 40), False)
    assert pictures.look(files[4]) == ((40, 30), True)


def test_an_orientation_that_is_no_number_is_none(draw: Draw) -> None:
    text = b"Exif\0\0MM\0*" + struct.pack(">IHHHI4sI", 8, 1, 0x0112, 2, 2, b"6\0\0\0", 0)  # ASCII, not a number

    assert pictures.look(encoded(draw(1, 0, (40, 30), 3), "JPEG", exif=text)) == ((40, 30), False)


def test_a_copy_of_a_test_image_costs_a_class_only_itself() -> None:
    for seed in range(50):
        images = np.random.default_rng(seed).integers(0, 256, (10, 4, 4, 1), dtype=np.uint8)
        images[4] = images[0]  # of one class four to train on, and a copy of one of them to test on
        images[9] = images[5]
        labels = np.repeat([0, 1], 5)
        said = [*(["train"] * 4), "test"] * 2

        parts = divide(images, labels, said, ("a", "b"))

        assert (len(parts.train), len(parts.validation), len(parts.test), parts.left_out) == (4, 2, 2, 2)
