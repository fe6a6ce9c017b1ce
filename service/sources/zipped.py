"""A zip of class folders: `…/<class>/<file>`, where the folder says what its images are, by name or by index."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from service.sources.archive import files_of, open_zip, read_file
from service.sources.source import Bounds, Source, bad


def read(path: Path, bounds: Bounds) -> Source:
    """Every file of every class folder, in the order of their paths."""
    archive = open_zip(path, bounds)
    files = files_of(archive)
    bounds.check_count(len(files))
    labels = []
    depths = set()
    for info in files:
        parts = PurePosixPath(info.filename).parts
        if len(parts) < 2:
            bad(f"{info.filename[:200]!r} lies in no class folder", "put each image into a folder named like its class")
        depths.add(len(parts))
        labels.append(parts[-2])
    if len(depths) > 1:
        bad(f"files lie {min(depths) - 1} and {max(depths) - 1} folders deep", "put all class folders side by side")
    return Source(labels, reader(archive, files, bounds), [info.filename for info in files])


def reader(archive: zipfile.ZipFile, files: list[zipfile.ZipInfo], bounds: Bounds) -> Callable[[int, int], list[bytes]]:
    """The files' bytes, in pieces."""

    def pieces(start: int, stop: int) -> list[bytes]:
        return [read_file(archive, info, bounds.image_bytes) for info in files[start:stop]]

    return pieces
