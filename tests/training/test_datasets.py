"""Readers give the right arrays or name the file that is wrong; a missing data set comes with three ways to get it."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from training.datasets import DATASETS, MissingDataset, load_split, resolve
from training.readers.idx import read_idx

IdxBytes = Callable[[NDArray[np.uint8]], bytes]


@pytest.mark.parametrize("folder", ["fashion-mnist", "FashionMNIST/raw", "."])
@pytest.mark.parametrize("compressed", [True, False], ids=["gzip", "plain"])
def test_fashion_mnist_is_read_from_each_of_its_layouts(
    data_root: Path, write_fashion: Callable[..., Path], folder: str, compressed: bool
) -> None:
    write_fashion(data_root / folder, train=30, test=20, compressed=compressed)

    train, test = load_split("fashion-mnist", "train"), load_split("fashion-mnist", "test")

    assert (train.images.shape, train.images.dtype) == ((30, 28, 28, 1), np.uint8)
    assert (test.labels.tolist(), test.labels.dtype) == ([*range(10)] * 2, np.int64)
    assert train.sha256 != test.sha256


def test_debian_s_copy_is_found_without_any_setting(
    data_root: Path, write_fashion: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEIGHBRIDGE_DATA")
    monkeypatch.setattr("training.datasets.DEBIAN", data_root)
    write_fashion(data_root / "fashion-mnist", train=10, test=10)

    assert len(load_split("fashion-mnist", "test").labels) == 10


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_missing_data_set_names_three_ways_to_get_it(data_root: Path, dataset: str) -> None:
    with pytest.raises(MissingDataset, match=f"{dataset} is not here") as error:
        load_split(dataset, "train")

    assert [line[:4] for line in str(error.value).splitlines()[1:]] == ["  1.", "  2.", "  3."]
    assert str(data_root) in str(error.value)


def test_an_idx_file_is_read_in_its_own_order(tmp_path: Path, idx_bytes: IdxBytes) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "file"
    path.write_bytes(idx_bytes(array))

    assert np.array_equal(read_idx(path, dimensions=3), array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:2], "too few for an IDX header"),
        (lambda data: data[:-1], "header promises .* 24 bytes; it holds 23"),
        (lambda data: data + b"x", "it holds 25"),
        (lambda data: b"\0\0\x0d\x03" + data[4:], "magic number 0x00000d03"),
        (lambda data: b"\0\0\x08\x01" + data[4:], "not IDX of unsigned bytes in 3 dimensions"),
        (lambda data: b"<htm" + data[4:], "magic number 0x3c68746d"),
    ],
    ids=["header cut", "cut", "too long", "floats", "labels instead of images", "a web page"],
)
def test_a_damaged_idx_file_is_named_with_its_damage(
    tmp_path: Path, idx_bytes: IdxBytes, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / "train-images"
    path.write_bytes(damage(idx_bytes(np.zeros((2, 3, 4), np.uint8))))

    with pytest.raises(ValueError, match=f"train-images: .*{message}"):
        read_idx(path, dimensions=3)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-20], lambda data: data[:20] + b"\xff\xff\xff" + data[23:], lambda data: b"not gzip at all"],
    ids=["cut", "bit rot", "no gzip"],
)
def test_a_damaged_gzip_file_is_named(tmp_path: Path, idx_bytes: IdxBytes, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(np.arange(240, dtype=np.uint8).reshape(2, 10, 12)))))

    with pytest.raises(ValueError, match=r"images\.gz: not a whole gzip file"):
        read_idx(path, dimensions=3)


def test_images_and_labels_of_different_length_are_refused(
    data_root: Path, write_fashion: Callable[..., Path], idx_bytes: IdxBytes
) -> None:
    folder = write_fashion(data_root / "fashion-mnist", train=10, test=10, compressed=False)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(9, np.uint8)))

    with pytest.raises(ValueError, match=r"10, 28, 28, 1.* and 9 labels"):
        load_split("fashion-mnist", "test")


def test_labels_outside_the_classes_are_refused(
    data_root: Path, write_fashion: Callable[..., Path], idx_bytes: IdxBytes
) -> None:
    folder = write_fashion(data_root / "fashion-mnist", train=10, test=10, compressed=False)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(10, 10, np.uint8)))

    with pytest.raises(ValueError, match=r"labels outside 0\.\.9"):
        load_split("fashion-mnist", "test")


@pytest.mark.parametrize("layout", ["pickles", "binary"])
def test_cifar10_is_read_from_both_of_its_layouts_alike(data_root: Path, layout: str) -> None:
    folder = data_root / {"pickles": "cifar-10-batches-py", "binary": "cifar-10-batches-bin"}[layout]
    folder.mkdir()
    random = np.random.default_rng(0)
    planes = random.integers(0, 256, (5, 4, 3072), dtype=np.uint8)
    labels = random.integers(0, 10, (5, 4))
    for number in range(5):
        path = folder / f"data_batch_{number + 1}"
        if layout == "pickles":
            path.write_bytes(pickle.dumps({b"data": planes[number], b"labels": labels[number].tolist()}, protocol=2))
        else:
            records = np.concatenate([labels[number][:, None].astype(np.uint8), planes[number]], axis=1)
            path.with_suffix(".bin").write_bytes(records.tobytes())

    split = load_split("cifar10", "train")

    assert split.labels.tolist() == labels.reshape(-1).tolist()
    assert np.array_equal(split.images[5, 1, 2], planes.reshape(20, 3, 32, 32)[5, :, 1, 2])


def test_a_pickle_that_wants_to_run_something_is_refused_and_does_not(data_root: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'owned'}",)

    folder = data_root / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": Payload(), b"labels": []}, protocol=2))

    with pytest.raises(ValueError, match=r"test_batch: not a CIFAR-10 batch \(it asks for posix.system\)"):
        load_split("cifar10", "test")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps({b"data": None}), pickle.dumps([1])])
def test_a_broken_pickle_is_named(data_root: Path, content: bytes) -> None:
    folder = data_root / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(content)

    with pytest.raises(ValueError, match="test_batch: not a CIFAR-10 batch"):
        load_split("cifar10", "test")


def test_a_cut_binary_batch_is_named(data_root: Path) -> None:
    (data_root / "test_batch.bin").write_bytes(bytes(3073 + 5))

    with pytest.raises(ValueError, match=r"test_batch\.bin: 3078 bytes are not whole records"):
        load_split("cifar10", "test")


def jpeg(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (value, value, value)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_jpegs(place: Path, *, zipped: bool) -> Path:
    files = {
        f"{split}/{label}/{number:04}.jpg": jpeg(100 + number)
        for split in ("train", "test")
        for label in ("airplane", "truck")
        for number in (1, 2)
    }
    if zipped:
        with zipfile.ZipFile(place, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return place
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


@pytest.mark.parametrize("where", ["cifar10-jpeg.zip", "cifar10/cifar10-jpeg.zip", "cifar10-jpeg"])
def test_jpeg_files_are_read_from_a_zip_or_a_folder(data_root: Path, where: str) -> None:
    (data_root / where).parent.mkdir(exist_ok=True)
    write_jpegs(data_root / where, zipped=where.endswith(".zip"))

    split = load_split("cifar10-jpeg", "test")

    assert split.images.shape == (4, 32, 32, 3)
    assert split.labels.tolist() == [0, 0, 9, 9]
    assert split.images[:, 0, 0, 0].tolist() == [101, 102, 101, 102]


def test_jpeg_files_are_decoded_once_and_again_when_the_archive_changes(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_jpegs(data_root / "cifar10-jpeg.zip", zipped=True)
    first = load_split("cifar10-jpeg", "train")
    opened: list[object] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda file: opened.append(file) or real(file))

    again = load_split("cifar10-jpeg", "train")
    decoded_again = len(opened)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("train/cat/0001.jpg", jpeg(7))
    changed = load_split("cifar10-jpeg", "train")

    assert (decoded_again, again.sha256, len(changed.labels)) == (0, first.sha256, 5)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("test/unicorn/0001.jpg", jpeg(1), "unknown class 'unicorn'"),
        ("test/cat/0001.jpg", jpeg(1)[:50], r"test/cat/0001\.jpg is not a whole JPEG"),
        ("train/cat/0001.jpg", jpeg(1), "no JPEG file under test/"),
    ],
)
def test_an_archive_with_something_wrong_in_it_is_named(data_root: Path, name: str, data: bytes, message: str) -> None:
    with zipfile.ZipFile(data_root / "cifar10-jpeg.zip", "w") as archive:
        archive.writestr(name, data)

    with pytest.raises(ValueError, match=rf"cifar10-jpeg\.zip: .*{message}"):
        load_split("cifar10-jpeg", "test")


def test_a_cut_zip_is_named(data_root: Path) -> None:
    path = write_jpegs(data_root / "cifar10-jpeg.zip", zipped=True)
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(ValueError, match=r"cifar10-jpeg\.zip: not a whole zip"):
        load_split("cifar10-jpeg", "test")


def test_the_jpeg_copy_stands_in_only_where_the_original_is_absent(data_root: Path) -> None:
    assert resolve("cifar10") == "cifar10"  # neither is here: the message will be about the original
    write_jpegs(data_root / "cifar10-jpeg.zip", zipped=True)
    assert resolve("cifar10") == "cifar10-jpeg"
    for number in range(1, 6):
        (data_root / f"data_batch_{number}.bin").write_bytes(bytes(3073))
    assert resolve("cifar10") == "cifar10"


@pytest.mark.skipif("WEIGHBRIDGE_DATA" not in os.environ, reason="needs Fashion-MNIST under WEIGHBRIDGE_DATA")
def test_the_real_fashion_mnist_has_the_facts_of_the_table() -> None:
    facts = DATASETS["fashion-mnist"]

    train, test = load_split("fashion-mnist", "train"), load_split("fashion-mnist", "test")

    assert {"train": len(train.labels), "test": len(test.labels)} == facts.sizes
    assert np.bincount(train.labels).tolist() == [6000] * 10
    shares = np.bincount(train.images.reshape(-1), minlength=256) / train.images.size
    pixels = np.arange(256) / 255
    mean = float(shares @ pixels)
    assert mean == pytest.approx(facts.mean[0], abs=1e-4)
    assert float(shares @ (pixels - mean) ** 2) ** 0.5 == pytest.approx(facts.std[0], abs=1e-4)
