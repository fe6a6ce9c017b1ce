"""A CSV file that names image files and their labels, and the zip with those files."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

from service.sources.archive import files_of, open_zip
from service.sources.source import LABEL, Bounds, Source, bad
from service.sources.zipped import reader

FILE = ("file", "filename", "file_name", "image", "path")
CURE = "begin with a line `file,label`, then one line per image"


def read(csv_path: Path, zip_path: Path, bounds: Bounds) -> Source:
    """The rows in their order. Files of the zip that no row names are left out: a table may choose."""
    rows = _rows(csv_path, bounds)
    archive = open_zip(zip_path, bounds)
    known = {info.filename: info for info in files_of(archive)}
    tops = {PurePosixPath(name).parts[0] for name in known}
    if len(tops) == 1:  # `zip -r data.zip data` puts a folder around everything
        known = {**{str(PurePosixPath(*PurePosixPath(name).parts[1:])): info for name, info in known.items()}, **known}
    files = []
    for line, name, _ in rows:
        info = known.get(name.removeprefix("./"))
        if info is None:
            bad(f"line {line} of the CSV names {name[:200]!r}, which the zip does not have",
                "write paths as they stand in the zip: `unzip -l data.zip`")
        files.append(info)
    return Source([label for _, _, label in rows], reader(archive, files, bounds), [name for _, name, _ in rows])


def _rows(path: Path, bounds: Bounds) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            head = [name.strip().lower() for name in next(rows, [])]
            file_at, label_at = _column(head, FILE), _column(head, LABEL)
            seen = set()
            for row in rows:
                if not row:
                    continue
                if len(row) != len(head):
                    bad(f"line {rows.line_num} of the CSV has {len(row)} columns, its head has {len(head)}", CURE)
                name, label = row[file_at].strip(), row[label_at].strip()
                if not name or not label or name in seen:
                    why = f"names {name[:200]!r} again" if name in seen else "has an empty file or label"
                    bad(f"line {rows.line_num} of the CSV {why}", CURE)
                seen.add(name)
                found.append((rows.line_num, name, label))
                if len(found) > bounds.images:
                    bounds.check_count(len(found))
    except (csv.Error, UnicodeDecodeError) as error:
        bad(f"the CSV cannot be read: {error}", "save it as UTF-8, separated by commas")
    bounds.check_count(len(found))
    return found


def _column(head: list[str], wanted: tuple[str, ...]) -> int:
    found = [place for place, name in enumerate(head) if name in wanted]
    if len(found) != 1:
        columns = ", ".join(map(repr, head))[:200] or "none"
        bad(f"the CSV has the columns {columns}, and {'more than one' if found else 'none'} of {', '.join(wanted)}",
            CURE)
    return found[0]
