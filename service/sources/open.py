"""Which form an upload has, told by its first bytes, and the reader of that form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.problems import Problem
from service.sources import idx, npz, parquet, table, zipped
from service.sources.source import FIELD, Bounds, Source

CURE = "send one .npz, a zip of class folders, a Parquet file, a pair of IDX files, or a CSV file with a zip"
HEAD = 65536


def open_source(paths: list[Path], bounds: Bounds) -> Source:
    """The labelled images of one or two files; Problem says what is wrong with them. The files must stay."""
    kinds = [_kind(path, bounds) for path in paths]
    reader = READERS.get(tuple(sorted(kinds)))
    if reader is None:
        raise Problem("unsupported-media-type", f"the data is {' and '.join(kinds) or 'nothing'}", field=FIELD,
                      cure=CURE)
    ordered = [path for _, path in sorted(zip(kinds, paths, strict=True))]
    return reader(ordered, bounds)


READERS: dict[tuple[str, ...], Callable[[list[Path], Bounds], Source]] = {
    ("npz",): lambda paths, bounds: npz.read(paths[0], bounds),
    ("zip",): lambda paths, bounds: zipped.read(paths[0], bounds),
    ("parquet",): lambda paths, bounds: parquet.read(paths[0], bounds),
    ("IDX", "IDX"): lambda paths, bounds: idx.read(paths, bounds),
    ("CSV", "zip"): lambda paths, bounds: table.read(paths[0], paths[1], bounds),
}


def _kind(path: Path, bounds: Bounds) -> str:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head[:2] == b"PK":
        return "npz" if npz.looks_like(path, bounds) else "zip"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:2] == b"\x1f\x8b" or idx.looks_like(head):
        return "IDX"
    return "CSV" if _is_text(head) else "no form that is read here"


def _is_text(head: bytes) -> bool:
    if not head.strip() or b"\0" in head:
        return False
    try:
        head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 4  # the piece may end within a character
    return True
