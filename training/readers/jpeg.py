"""Images as JPEG files, `train/<class>/0001.jpg`, in a zip file or a folder. Decoded once, then cached as .npz.

The cache file is named by the content of the archive (a folder: by the names, sizes and times of its files), so a
changed source is decoded again and a half-written cache cannot exist.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.atomic import write_atomically
from training.places import cache_folder
from training.readers import Arrays

SUFFIXES = (".jpg", ".jpeg")


def read(place: Path, split: str, classes: tuple[str, ...]) -> Arrays | None:
    """The images of `split` under `place` (a zip file, or a folder that holds train/ and test/), in path order."""
    if place.is_file() and place.suffix == ".zip":
        return _read_zip(place, split, classes)
    if not any((place / split / label).is_dir() for label in classes):
        return None  # some other folder that happens to hold train/ or test/
    names = sorted(str(path.relative_to(place)) for path in (place / split).rglob("*") if path.is_file())
    stats = [(name, (place / name).stat()) for name in names]
    key = hashlib.sha256(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]).encode()).hexdigest()
    return _cached(key, split, lambda: _decode(names, lambda name: (place / name).read_bytes(), split, classes, place))


def _read_zip(path: Path, split: str, classes: tuple[str, ...]) -> Arrays | None:
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            names = sorted(archive.namelist())
            key = hashlib.file_digest(file, "sha256").hexdigest()
            return _cached(key, split, lambda: _decode(names, archive.read, split, classes, path))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: not a whole zip file ({error}); get it again") from error


def _decode(
    names: list[str], load: Callable[[str], bytes], split: str, classes: tuple[str, ...], source: Path
) -> Arrays:
    from PIL import Image, UnidentifiedImageError

    chosen: list[tuple[str, int]] = []
    for name in names:
        *_, folder, label, _file = ("", "", *name.split("/"))
        if folder == split and name.lower().endswith(SUFFIXES):
            if label not in classes:
                raise ValueError(f"{source}: {name} is of the unknown class {label!r}; known: {', '.join(classes)}")
            chosen.append((name, classes.index(label)))
    if not chosen:
        raise ValueError(f"{source}: holds no JPEG file under {split}/<class>/")
    images = []
    for name, _ in chosen:
        try:
            with Image.open(io.BytesIO(load(name))) as image:
                images.append(np.asarray(image.convert("RGB")))
        except (UnidentifiedImageError, OSError) as error:
            raise ValueError(f"{source}: {name} is not a whole JPEG file ({error})") from error
    return np.stack(images), np.array([label for _, label in chosen], np.int64)


def _cached(key: str, split: str, decode: Callable[[], Arrays]) -> Arrays:
    path = cache_folder() / f"jpeg-{key[:16]}-{split}.npz"
    if path.is_file():
        with np.load(path) as stored:
            return stored["images"], stored["labels"]
    images, labels = decode()
    buffer = io.BytesIO()
    np.savez(buffer, images=images, labels=labels)
    write_atomically(path, buffer.getvalue())
    return images, labels
