"""NumPy's .npz: `images` uint8 (count, height, width[, channels]) and `labels` (count,), whole numbers or names."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.sources.archive import check_directory, open_zip, read_file
from service.sources.source import Bounds, Source, bad, check_arrays

KEYS = ("images", "labels")
CURE = "write it with np.savez_compressed(file, images=images, labels=labels)"
MOST_HEADER = 10_000
MOST_AXES = 8


def looks_like(path: Path, bounds: Bounds) -> bool:
    """Whether a zip is one of arrays; Problem where its directory is too large to look."""
    check_directory(path, bounds)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # noqa: BLE001 - what is wrong is told by whoever reads it
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read(path: Path, bounds: Bounds) -> Source:
    """The arrays, after their headers were checked."""
    with open_zip(path, bounds) as archive:
        found = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for key in KEYS:
            if key not in found:
                bad(f"the .npz has {', '.join(sorted(found)) or 'nothing'}, and no `{key}`", CURE)
        images, labels = (_array(read_file(archive, found[key], bounds.bytes), key) for key in KEYS)
    check_arrays(images, labels, bounds)
    return Source(_names(labels), lambda start, stop: images[start:stop])


def _array(data: bytes, key: str) -> NDArray[Any]:
    file = io.BytesIO(data)
    try:
        version = npy.read_magic(file)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = reader(file, max_header_size=MOST_HEADER)
    except Exception as error:  # noqa: BLE001 - the header is a Python literal, which fails in every way there is
        bad(f"`{key}` is no array: {str(error)[:200] or type(error).__name__}", CURE)
    if dtype.hasobject:
        bad(f"`{key}` holds Python objects, which are not read: they could be programs", CURE)
    left = len(data) - file.tell()
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size != left or min(shape, default=0) < 0 or len(shape) > MOST_AXES or not dtype.itemsize:
        bad(f"`{key}` says it is {dtype} {str(shape)[:200]} and has {left} bytes", CURE)
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")


def _names(labels: NDArray[Any]) -> list[Any]:
    try:
        found: list[Any] = labels.tolist()
    except Exception as error:  # noqa: BLE001 - text of numbers that are no characters
        bad(f"`labels` cannot be read: {str(error)[:200]}", CURE)
    return found
