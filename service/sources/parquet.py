"""Parquet with encoded images and labels: columns `image` (bytes, or {bytes, path}) and `label`. Needs pyarrow."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from service.problems import Problem
from service.sources.source import FIELD, LABEL, Bounds, Source, bad

IMAGE = ("image", "img", "bytes")
MOST_ROWS, PIECES = 4096, 8  # of one piece, and of a file
MOST_NAMES = 65536  # bytes of all class names
CURE = "store a column `image` of encoded files as binary, and a column `label` of whole numbers or names"


def read(path: Path, bounds: Bounds) -> Source:
    """All rows; the images stay encoded."""
    if find_spec("pyarrow") is None:
        raise Problem("unsupported-media-type", "Parquet is read with pyarrow, which this server does not have",
                      field=FIELD, cure="install pyarrow on the server, or send a zip of class folders")
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path, thrift_string_size_limit=2**24, thrift_container_size_limit=2**20)
        bounds.check_count(file.metadata.num_rows)
        image, label = columns(file.schema_arrow.names)
        table = _bounded(file, [image, label], bounds)
        images, labels = table.column(image), table.column(label)
    except (pyarrow.ArrowException, OSError) as error:
        bad(f"the Parquet file cannot be read: {error}", CURE)
    found, truths = contents(images, labels, image, label)
    return Source(truths, lambda start, stop: _pieces(found, start, stop))


def _bounded(file: Any, wanted: list[str], bounds: Bounds) -> Any:
    """The table of the wanted columns, read in pieces of which none can be larger than a PIECES-th of what all may be.

    A value that many rows share is stored once, so what a file says of its size is no bound for what it unpacks to. But
    no value is larger than its row group, which bounds the pieces.
    """
    import pyarrow

    groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
    stored = sum(group.total_byte_size for group in groups)
    bounds.check_bytes(stored, "the Parquet file")
    rows = max(1, min(MOST_ROWS, bounds.bytes // (PIECES * max(stored, 1))))
    pieces, size = [], 0
    for piece in file.iter_batches(batch_size=rows, columns=wanted, use_threads=False):
        size += piece.nbytes
        bounds.check_bytes(size, "the Parquet file")
        pieces.append(piece)
    return pyarrow.Table.from_batches(pieces)


def columns(names: list[str]) -> tuple[str, str]:
    """Which columns hold images and labels; Problem where that is not clear."""
    return _column(names, IMAGE), _column(names, LABEL)


def contents(images: Any, labels: Any, image: str, label: str) -> tuple[Any, list[Any]]:
    """The chunked columns `image` and `label` as encoded images in binary and a list of labels; Problem otherwise."""
    import pyarrow

    kinds = pyarrow.types
    if kinds.is_struct(images.type):
        if "bytes" not in [images.type.field(place).name for place in range(images.type.num_fields)]:
            bad(f"`{image}` is {images.type}", CURE)
        images = pyarrow.chunked_array([chunk.field("bytes") for chunk in images.chunks],
                                       type=images.type.field("bytes").type)
    if not (kinds.is_binary(images.type) or kinds.is_large_binary(images.type)):
        bad(f"`{image}` is {images.type}", CURE)
    if kinds.is_dictionary(labels.type):
        if any(chunk.dictionary.nbytes > MOST_NAMES for chunk in labels.chunks):
            bad(f"the names of `{label}` have more than {MOST_NAMES} bytes together", CURE)
        labels = labels.cast(labels.type.value_type)
    if not (kinds.is_integer(labels.type) or kinds.is_string(labels.type) or kinds.is_large_string(labels.type)):
        bad(f"`{label}` is {labels.type}", CURE)
    if images.null_count or labels.null_count:
        bad(f"{images.null_count} images and {labels.null_count} labels are missing", "leave those rows out")
    return images, labels.to_pylist()


def _pieces(images: Any, start: int, stop: int) -> list[bytes]:
    found: list[bytes] = images.slice(start, stop - start).to_pylist()
    return found


def _column(names: list[str], wanted: tuple[str, ...]) -> str:
    found = [name for name in names if name.lower() in wanted]
    if len(found) != 1:
        bad(f"the Parquet file has the columns {', '.join(names)[:200]}, and not one of {', '.join(wanted)}", CURE)
    return found[0]
