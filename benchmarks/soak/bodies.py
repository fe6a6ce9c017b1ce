"""Requests whose right answer is known: every form that the service takes, and the classes that the model gives."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.contenders import find_contenders
from benchmarks.load.payloads import jpeg, png
from service.runtimes.ort import open_model
from service.splits import FOLDER, Split

BOUNDARY = b"s0ak"
SPLIT = "fashion-mnist-test"
MANY = 8


@dataclass(frozen=True)
class Body:
    """One prepared request to /predict and the classes that must come back, in order."""

    form: str
    content_type: str
    data: bytes
    classes: tuple[int, ...]


def write_bodies(models: Path, model: str, count: int, seed: int) -> list[Body]:
    """`count` requests, the forms in turn, images drawn from the split by `seed`."""
    folder = find_contenders(models, [model])[0].folder / "model.onnx"  # the version that a server would answer with
    images = Split.find(models / FOLDER / SPLIT).load()[0]
    session = open_model(folder, device="cpu", threads=1)
    chosen = np.random.default_rng(seed).integers(0, len(images), (count, MANY))
    forms = (_upload, _png, _raw, _json, _base64, _many_raw, _many_uploads)
    return [forms[number % len(forms)](images[places], np.asarray(session(images[places])).argmax(axis=1).tolist())
            for number, places in enumerate(chosen)]


Images = NDArray[np.uint8]


def _upload(images: Images, classes: list[int]) -> Body:
    return _form("upload", images[:1], classes[:1])


def _many_uploads(images: Images, classes: list[int]) -> Body:
    return _form("many uploads", images, classes)


def _form(name: str, images: Images, classes: list[int]) -> Body:
    head = (b'--%s\r\nContent-Disposition: form-data; name="images"; filename="%d.png"\r\n'
            b"Content-Type: image/png\r\n\r\n")
    parts = [head % (BOUNDARY, place) + png(image) + b"\r\n" for place, image in enumerate(images)]
    return Body(name, f"multipart/form-data; boundary={BOUNDARY.decode()}", b"".join(parts) + b"--%s--\r\n" % BOUNDARY,
                tuple(classes))


def _png(images: Images, classes: list[int]) -> Body:
    return Body("png", "image/png", png(images[0]), (classes[0],))


def _raw(images: Images, classes: list[int]) -> Body:
    return Body("raw", "application/octet-stream", images[0].tobytes(), (classes[0],))


def _many_raw(images: Images, classes: list[int]) -> Body:
    return Body("many raw", "application/octet-stream", images.tobytes(), tuple(classes))


def _json(images: Images, classes: list[int]) -> Body:
    return Body("json", "application/json", json.dumps({"image": images[0, :, :, 0].tolist()}).encode(), (classes[0],))


def _base64(images: Images, classes: list[int]) -> Body:
    text = base64.b64encode(png(images[0])).decode()
    return Body("base64", "application/json", json.dumps({"image": f"data:image/png;base64,{text}"}).encode(),
                (classes[0],))


def pictures(models: Path, count: int) -> list[bytes]:
    """Image files to break: PNG and JPEG in turn."""
    images = Split.find(models / FOLDER / SPLIT).load(count)[0]
    return [png(image) if place % 2 else jpeg(image) for place, image in enumerate(images)]
