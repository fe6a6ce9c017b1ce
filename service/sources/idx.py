"""IDX, the files of MNIST and its relatives: big-endian sizes, then bytes; gzipped as they are published, or not."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from service.sources.source import Bounds, Source, bad, check_arrays

UBYTE = 0x08
CURE = "send the two files of a set, images (three or four dimensions) and labels (one), as they are published"
GZIP = 31  # zlib's window bits for a gzip header


def looks_like(head: bytes) -> bool:
    """Two zero bytes, a type, and a number of dimensions."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in (8, 9, 11, 12, 13, 14) and 1 <= head[3] <= 8


def read(paths: list[Path], bounds: Bounds) -> Source:
    """The pair, whichever comes first."""
    one, other = (_array(path, bounds) for path in paths)
    images, labels = (one, other) if one.ndim > other.ndim else (other, one)
    if labels.ndim != 1 or images.ndim not in (3, 4):
        bad(f"the IDX files have {one.ndim} and {other.ndim} dimensions", CURE)
    check_arrays(images, labels, bounds)
    return Source(labels.tolist(), lambda start, stop: images[start:stop])


def _array(path: Path, bounds: Bounds) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = _unzipped(data, bounds)
    if not looks_like(data):
        bad("a gzip file of something else than IDX", CURE)
    kind, dimensions = data[2], data[3]
    start = 4 + 4 * dimensions
    if kind != UBYTE:
        bad(f"IDX values of type 0x{kind:02x}", "only unsigned bytes (0x08) are pixels and labels here")
    if len(data) < start:
        bad("an IDX file ends within its header", CURE)
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if math.prod(shape) != len(data) - start:
        bad(f"an IDX file says {' x '.join(map(str, shape))} and has {len(data) - start} bytes", CURE)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unzipped(data: bytes, bounds: Bounds) -> bytes:
    unpacker = zlib.decompressobj(GZIP)
    try:
        found = unpacker.decompress(data, bounds.bytes + 1)
    except zlib.error as error:
        bad(f"the gzip file cannot be unpacked: {error}", CURE)
    bounds.check_bytes(len(found), "the gzip file")
    if not unpacker.eof:
        bad("the gzip file is cut off", CURE)
    return found
