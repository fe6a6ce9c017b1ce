"""Every form of labelled images: a good file is scored, and five bad ones are each told what is wrong with them."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from numpy.typing import NDArray
from pictures import encoded
from pyarrow import parquet
from toy import CLASSES, write_toy

from service.card import read_card
from service.labelled import Uploaded
from service.problems import Problem
from service.settings import Settings
from service.sources import Bounds, open_source

LABELS = [0, 1, 1, 0, 1, 0]
NAMES = [CLASSES[label] for label in LABELS]
PIXELS = np.random.default_rng(5).integers(0, 256, (6, 4, 4), dtype=np.uint8)
FILES = {f"{name}/{place}.png": encoded(image) for place, (name, image) in enumerate(zip(NAMES, PIXELS, strict=True))}
SETTINGS = Settings(max_evaluate_images=50, max_body_bytes=40_000)
Read = Callable[..., tuple[NDArray[np.uint8], list[int]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """What the toy model would be given of one or two files."""
    card = read_card(write_toy(tmp_path / "models"))

    def read(*files: bytes) -> tuple[NDArray[np.uint8], list[int]]:
        paths = [tmp_path / str(place) for place in range(len(files))]
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        found = Uploaded(open_source(paths, Bounds.of(SETTINGS)), card, SETTINGS)
        count = len(found.labels)
        return np.concatenate([found.images(0, 2), found.images(2, count)]), found.labels.tolist()

    return read


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def idx(array: NDArray[Any], kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def zipped(files: dict[str, bytes], **more: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = more.get("attributes", 0o644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def table(*rows: str, head: str = "file,label") -> bytes:
    return "\n".join([head, *rows]).encode()


def arrow(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


IMAGES = [encoded(image) for image in PIXELS]
ROWS = [f"{name},{label}" for name, label in zip(FILES, NAMES, strict=True)]
GOOD: dict[str, tuple[bytes, ...]] = {
    "npz": (npz(images=PIXELS, labels=np.array(LABELS)),),
    "npz with channels and names": (npz(images=PIXELS[..., None], labels=np.array(NAMES)),),
    "npz in the order of Fortran": (npz(images=np.asfortranarray(PIXELS), labels=np.array(LABELS)),),
    "IDX": (idx(PIXELS), idx(np.array(LABELS, np.uint8))),
    "IDX, gzipped, labels first": (gzip.compress(idx(np.array(LABELS, np.uint8))), gzip.compress(idx(PIXELS))),
    "CSV and zip": (table(*ROWS), zipped(FILES)),
    "CSV and zip with a folder around, indices and a mark of Excel": (
        b"\xef\xbb\xbf" + table(*(f"{label},{name}" for name, label in zip(FILES, LABELS, strict=True)),
                                head="Label,Filename"),
        zipped({f"data/{name}": data for name, data in FILES.items()}),
    ),
    "Parquet": (arrow(image=IMAGES, label=LABELS),),
    "Parquet as on the hub": (arrow(image=[{"bytes": data, "path": None} for data in IMAGES], label=NAMES),),
}


@pytest.mark.parametrize("form", GOOD)
def test_a_good_file_is_read_in_its_order(read: Read, form: str) -> None:
    images, labels = read(*GOOD[form])

    np.testing.assert_array_equal(images[..., 0], PIXELS)
    assert labels == LABELS


@pytest.mark.parametrize("prefix", ["", "top/", "a/b/"])
def test_class_folders_are_read_in_the_order_of_their_paths_without_what_systems_leave(read: Read, prefix: str) -> None:
    junk = {"__MACOSX/._x": b"x", f"{prefix}dark/.DS_Store": b"x", f"{prefix}dark/": b""}

    images, labels = read(zipped({**{prefix + name: data for name, data in FILES.items()}, **junk}))

    order = sorted(range(6), key=lambda place: NAMES[place] + str(place))
    np.testing.assert_array_equal(images[..., 0], PIXELS[order])
    assert labels == [LABELS[place] for place in order]


def broken_crc() -> bytes:
    data = bytearray(zipped({"dark/a.bmp": encoded(PIXELS[0], "BMP")}))
    data[60] ^= 0xFF
    return bytes(data)


def method(data: bytes, number: int) -> bytes:
    """A zip whose directory says another method of compression."""
    at = data.index(b"PK\x01\x02") + 10
    return data[:at] + struct.pack("<H", number) + data[at + 2 :]


def encrypted(data: bytes) -> bytes:
    at = data.index(b"PK\x01\x02") + 8
    return data[:at] + struct.pack("<H", 1) + data[at + 2 :]


def bare_npz(header: str, data: bytes = b"") -> bytes:
    """An .npz whose images have a header of one's own."""
    text = header.encode() + b"\n"
    images = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + data
    labels = io.BytesIO()
    np.save(labels, np.array([0]))
    return zipped({"images.npy": images, "labels.npy": labels.getvalue()})


def other_name() -> bytes:
    """A zip whose file has another name in its own head, which is no text."""
    data = zipped({"dark/\u00e9.png": IMAGES[0]})
    return data.replace("\u00e9".encode(), b"\xff\xff", 1)


BOMB = bytes(400_000)
BAD: dict[str, tuple[tuple[bytes, ...], str, str]] = {
    "npz without labels": ((npz(images=PIXELS),), "bad-data", "no `labels`"),
    "npz of floats": ((npz(images=PIXELS / 255, labels=LABELS),), "bad-data", "images are float64"),
    "npz with fewer labels": ((npz(images=PIXELS, labels=LABELS[:5]),), "bad-data", "6 images and 5 labels"),
    "npz with objects": ((npz(images=PIXELS, labels=np.array(LABELS, object)),), "bad-data", "could be programs"),
    "npz with another shape": ((npz(images=PIXELS[:, :3], labels=LABELS),), "wrong-shape", "the model takes"),
    "npz that is a bomb": ((npz(images=BOMB, labels=LABELS),), "body-too-large", "unpacks to"),
    "npz with a label too many": ((npz(images=PIXELS, labels=[0, 1, 2, 0, 0, 0]),), "bad-labels", "2 is no class"),
    "npz of less than nothing": (
        (bare_npz("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, -16), }", bytes(16)),), "bad-data", "it is"),
    "npz of values without size": (
        (bare_npz("{'descr': '|V0', 'fortran_order': False, 'shape': (1, 4, 4), }"),), "bad-data", "says it is"),
    "npz of seventy axes": (
        (bare_npz(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {(1,) * 70}, }}", bytes(1)),), "bad-data", "is"),
    "npz with half a header": ((bare_npz("(((("),), "bad-data", "is no array"),
    "npz with another header": ((bare_npz("{1: '|u1', 'a': 2, 'b': 3}"),), "bad-data", "is no array"),
    "npz of labels that are no text": (
        (npz(images=PIXELS[:1], labels=np.array([0x7FFFFFFF], "<u4").view("<U1")),), "bad-data", "cannot be read"),
    "npz that is cut off": ((GOOD["npz"][0][:-9],), "bad-data", "no directory"),

    "IDX alone": ((idx(PIXELS),), "unsupported-media-type", "the data is IDX"),
    "IDX of images twice": ((idx(PIXELS), idx(PIXELS)), "bad-data", "3 and 3 dimensions"),
    "IDX that is cut off": ((idx(PIXELS)[:-1], idx(np.array(LABELS, np.uint8))), "bad-data", "says 6 x 4 x 4"),
    "IDX of floats": ((idx(PIXELS.astype(">f4"), 13), idx(np.array(LABELS, np.uint8))), "bad-data", "type 0x0d"),
    "IDX with fewer labels": ((idx(PIXELS), idx(np.array([1], np.uint8))), "bad-data", "6 images and 1 labels"),
    "IDX that is a bomb": ((gzip.compress(BOMB), idx(PIXELS)), "body-too-large", "gzip"),
    "gzip of something else": ((gzip.compress(b"hello"), idx(PIXELS)), "bad-data", "something else than IDX"),
    "gzip that is cut off": ((gzip.compress(idx(PIXELS))[:-9], idx(PIXELS)), "bad-data", "cut off"),

    "zip with an unknown class": ((zipped({"blue/1.png": IMAGES[0]}),), "bad-labels", "'blue' is no class"),
    "zip without class folders": ((zipped({"1.png": IMAGES[0]}),), "bad-data", "no class folder"),
    "zip with a path upwards": ((zipped({"dark/../../x.png": IMAGES[0]}),), "bad-data", "has the path"),
    "zip with a path from the root": ((zipped({"/dark/x.png": IMAGES[0]}),), "bad-data", "has the path"),
    "zip with a path of Windows": ((zipped({"dark\\x.png": IMAGES[0]}),), "bad-data", "has the path"),
    "zip with a link": ((zipped(FILES, attributes=0o120777),), "bad-data", "symbolic link"),
    "zip that is a bomb": ((zipped({"dark/x.png": BOMB}),), "body-too-large", "unpacks to 400000"),
    "zip with one file too large": ((zipped({"dark/x.png": BOMB[:50_000]}),), "bad-data", "the limit is 40000"),
    "zip with a password": ((encrypted(zipped(FILES)),), "bad-data", "encrypted"),
    "zip of another method": ((method(zipped(FILES), 12),), "bad-data", "method 12"),
    "zip with wrong bytes": ((broken_crc(),), "bad-data", "cannot be unpacked"),
    "zip with a name that is no text": ((other_name(),), "bad-data", "cannot be unpacked"),
    "zip with a text among images": ((zipped({"dark/x.txt": b"hello"}),), "unsupported-image-format", "dark/x.txt"),
    "zip with nothing": ((zipped({}),), "bad-data", "no image"),
    "zip with too many": ((zipped({f"dark/{i}": b"" for i in range(51)}),), "too-many-images", "51 images"),
    "zip with a directory too large to look at": (
        (zipped({f"dark/{i}-{'x' * 200}": b"" for i in range(900)}),), "too-many-images", "the limit is 50"),
    "zip that is uneven": ((zipped({"dark/1": b"", "a/dark/1": b""}),), "bad-data", "1 and 2 folders deep"),

    "CSV alone": ((table(*ROWS),), "unsupported-media-type", "the data is CSV"),
    "CSV without a head": ((table(*ROWS[1:], head=ROWS[0]), zipped(FILES)), "bad-data", "none of file"),
    "CSV with a file that is not there": ((table("x.png,dark"), zipped(FILES)), "bad-data", "line 2.*does not have"),
    "CSV with a column too many": ((table("a,b,c"), zipped(FILES)), "bad-data", "line 2 .*3 columns"),
    "CSV with a file twice": ((table(ROWS[0], ROWS[0]), zipped(FILES)), "bad-data", "line 3 .*again"),
    "CSV without a label": ((table("dark/0.png,"), zipped(FILES)), "bad-data", "empty"),
    "CSV with an unknown class": ((table("dark/0.png,blue"), zipped(FILES)), "bad-labels", "'blue' is no class"),
    "CSV of one line": ((table(), zipped(FILES)), "bad-data", "no image"),

    "Parquet without labels": ((arrow(image=IMAGES),), "bad-data", "not one of label"),
    "Parquet of texts": ((arrow(image=NAMES, label=LABELS),), "bad-data", "`image` is string"),
    "Parquet with a hole": ((arrow(image=[*IMAGES[:5], None], label=LABELS),), "bad-data", "1 images and 0 labels"),
    "Parquet that is cut off": ((GOOD["Parquet"][0][:-9],), "bad-data", "cannot be read"),
    "Parquet that is a bomb": ((arrow(image=[BOMB], label=[0]),), "body-too-large", "Parquet"),
    "Parquet of one image many times": (
        (arrow(image=[bytes(30_000)] * 40, label=[0] * 40),), "body-too-large", "unpacks to"),
    "Parquet of long names": (
        (arrow(image=IMAGES[:2], label=pyarrow.array(["x" * 70_000] * 2).dictionary_encode()),), "bad-data", "65536"),
    "Parquet with a label too many": ((arrow(image=IMAGES[:1], label=[2]),), "bad-labels", "2 is no class"),
    "Parquet of labels with a point": ((arrow(image=IMAGES, label=[0.5] * 6),), "bad-data", "`label` is double"),

    "nothing at all": ((b"",), "unsupported-media-type", "no form that is read here"),
    "a program": ((b"\x7fELF" + bytes(99),), "unsupported-media-type", "no form that is read here"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_told_what_is_wrong_with_it(read: Read, case: str) -> None:
    files, slug, told = BAD[case]

    with pytest.raises(Problem, match=told) as caught:
        read(*files)

    problem = caught.value
    assert problem.slug == slug, (problem.slug, problem.detail)
    assert problem.cure
    assert (problem.field or "").startswith("data")


def test_every_form_has_at_least_five_bad_files() -> None:
    for form in ("npz", "IDX", "zip", "CSV", "Parquet"):
        assert sum(case.startswith(form) for case in BAD) >= 5


def test_parquet_is_refused_with_the_cure_where_pyarrow_is_not_installed(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sources.parquet.find_spec", lambda name: None)

    with pytest.raises(Problem, match="which this server does not have"):
        read(*GOOD["Parquet"])
