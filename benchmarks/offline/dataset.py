"""A Parquet data set: files with a column of encoded images and a column of labels, and their row groups in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from service.problems import Problem
from service.sources.parquet import columns, contents

MISSING = ("Parquet is read with pyarrow, which is not installed here; `make ray` makes .venv-ray with it, and "
           "`make setup` .venv")


class OfflineError(ValueError):
    """The evaluation cannot be done; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Unit:
    """A row group. `place` is the number of its first image in the whole data set."""

    number: int
    file: str
    group: int
    rows: int
    place: int


@dataclass(frozen=True)
class Dataset:
    """`stamp` tells whether the files are those of another time, without reading them."""

    name: str
    units: tuple[Unit, ...]
    stamp: tuple[tuple[str, int, int], ...]

    @property
    def count(self) -> int:
        """Images."""
        return sum(unit.rows for unit in self.units)


def open_dataset(asked: Sequence[str]) -> Dataset:
    """Files, folders, patterns or URIs as one data set, in the order given and by name within; reads only footers.

    OfflineError where there is no file, a file is no Parquet, or its columns are not clear.
    """
    if find_spec("pyarrow") is None:
        raise OfflineError(MISSING)
    import pyarrow

    units: list[Unit] = []
    stamp, place = [], 0
    for path, size, changed in (found for each in asked for found in _files(each)):
        try:
            with _opened(path) as file:
                columns(file.schema_arrow.names)
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if rows:
                        units.append(Unit(len(units), path, group, rows, place))
                    place += rows
        except Problem as problem:
            raise OfflineError(f"{path}: {problem.detail}; {problem.cure}") from None
        except (pyarrow.ArrowException, OSError) as error:
            raise OfflineError(f"{path}: cannot be read as Parquet: {error}") from error
        stamp.append((path, size, changed))
    if not units:
        raise OfflineError(f"{', '.join(asked)}: there is no image in it")
    return Dataset(Path(asked[0].rstrip("/")).name, tuple(units), tuple(stamp))


def read_rows(unit: Unit, size: int) -> Iterator[tuple[int, Any, list[Any]]]:
    """(first row, encoded images as a pyarrow column, labels) in pieces of `size` rows; never holds more of them."""
    import pyarrow

    first = 0
    with _opened(unit.file) as file:
        image, label = columns(file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=size, row_groups=[unit.group], columns=[image, label]):
            table = pyarrow.Table.from_batches([batch])
            images, labels = contents(table.column(image), table.column(label), image, label)
            yield first, images, labels
            first += len(labels)


def _opened(path: str) -> Any:
    from pyarrow import fs, parquet

    if "://" not in path:
        return parquet.ParquetFile(path)
    system, inside = fs.FileSystem.from_uri(path)
    return parquet.ParquetFile(inside, filesystem=system)


def _files(asked: str) -> list[tuple[str, int, int]]:
    """Paths with size and time of change in nanoseconds."""
    from pyarrow import fs

    if "://" not in asked and has_magic(asked):
        found = [each for path in sorted(glob(asked, recursive=True)) for each in _files(path)]  # noqa: PTH207
        if not found:
            raise OfflineError(f"{asked}: no file is called like this")
        return found
    prefix = ""
    try:
        if "://" in asked:
            system, inside = fs.FileSystem.from_uri(asked)
            prefix = asked.removesuffix(inside)
        else:
            system, inside = fs.LocalFileSystem(), str(Path(asked).absolute())
        info = system.get_file_info(inside)
        if info.type == fs.FileType.NotFound:
            raise OfflineError(f"{asked}: there is no such file or folder")
        if info.type == fs.FileType.Directory:
            listed = system.get_file_info(fs.FileSelector(inside, recursive=True))
            infos = sorted((each for each in listed if each.path.endswith(".parquet")), key=lambda each: str(each.path))
        else:
            infos = [info]
    except (OSError, ValueError) as error:
        if isinstance(error, OfflineError):
            raise
        raise OfflineError(f"{asked}: {error}") from error
    if not infos:
        raise OfflineError(f"{asked}: there is no file *.parquet in it")
    return [(f"{prefix}{each.path}", int(each.size), int(each.mtime_ns or 0)) for each in infos]
