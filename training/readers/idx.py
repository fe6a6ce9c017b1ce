"""IDX, the format of MNIST and its kin: a magic number, the dimensions, then raw bytes. Gzip or plain.

    0x00 0x00 <type> <dimensions>   one big-endian uint32 per dimension   the values, last axis fastest

Only unsigned bytes (type 0x08) occur here. LeCun, Cortes, Burges: "The MNIST database".
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.readers import Arrays

STEMS = {"train": "train", "test": "t10k"}
UNSIGNED_BYTE = 0x08


def read(place: Path, split: str, classes: tuple[str, ...]) -> Arrays | None:  # noqa: ARG001 - labels are numbers here
    """Both IDX files of `split` in the folder `place`, as images (N, H, W, 1) and labels (N,)."""
    images = _find(place, f"{STEMS[split]}-images-idx3-ubyte")
    labels = _find(place, f"{STEMS[split]}-labels-idx1-ubyte")
    if images is None or labels is None:
        return None
    return read_idx(images, dimensions=3)[..., np.newaxis], read_idx(labels, dimensions=1).astype(np.int64)


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """The array in one IDX file; ValueError names the file and what is wrong with it."""
    data = _bytes(path)
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise ValueError(f"{path}: {len(data)} bytes are too few for an IDX header of {header}")
    if data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE or data[3] != dimensions:
        raise ValueError(
            f"{path}: magic number 0x{data[:4].hex()} is not IDX of unsigned bytes in {dimensions} dimensions "
            f"(0x0000{UNSIGNED_BYTE:02x}{dimensions:02x})"
        )
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    promised, held = math.prod(shape), len(data) - header
    if held != promised:
        raise ValueError(f"{path}: its header promises {shape}, that is {promised} bytes; it holds {held}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _find(folder: Path, stem: str) -> Path | None:
    return next((path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()), None)


def _bytes(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    try:
        return gzip.decompress(path.read_bytes())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error}); get it again") from error
