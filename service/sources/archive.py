"""A zip file as an attacker may have made it: bounded before it is believed, read in memory, never extracted."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from service.sources.source import Bounds, bad

END = b"PK\x05\x06"
END_BYTES = 22
END64 = b"PK\x06\x06"
END64_BYTES = 56
LONGEST_COMMENT = 65535
ENTRY_BYTES = 128  # of the directory, per file and on average: the fixed part and a path
SPARE_ENTRIES = 1000
HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")
CURE = "make it anew with `zip -r data.zip FOLDER`"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def open_zip(path: Path, bounds: Bounds) -> zipfile.ZipFile:
    """A zip whose directory, sizes and paths were checked; the caller closes it, or leaves that to the collector."""
    check_directory(path, bounds)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        bad(f"the zip cannot be read: {error}", CURE)
    try:
        total = 0
        for info in archive.infolist():
            _check_entry(info)
            total += info.file_size
        bounds.check_bytes(total, "the zip")
    except BaseException:
        archive.close()
        raise
    return archive


def files_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Its files in the order of their paths, without folders and without what systems leave behind."""
    found = {}
    for info in archive.infolist():
        parts = PurePosixPath(info.filename).parts
        if info.is_dir() or any(part.startswith(".") or part in HIDDEN for part in parts):
            continue
        if info.filename in found:
            bad(f"the zip has {info.filename[:200]!r} twice", CURE)
        found[info.filename] = info
    return [found[name] for name in sorted(found)]


def read_file(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """One file's bytes, which were announced in the directory and checked against its CRC; at most `most`."""
    if info.file_size > most:
        bad(f"{info.filename[:200]!r} unpacks to {info.file_size} bytes, the limit is {most}", "leave it out")
    try:
        with archive.open(info) as file:
            data = file.read(most + 1)
            if len(data) <= most:
                file.read(1)  # the end, where the CRC is compared
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, NotImplementedError,
            ValueError) as error:
        bad(f"{info.filename[:200]!r} cannot be unpacked: {error}", CURE)
    return data


def check_directory(path: Path, bounds: Bounds) -> None:
    """The directory's size, before the library makes an object of every entry; Problem beyond the bounds."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES - LONGEST_COMMENT - 2 * END64_BYTES))
        tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) - place < END_BYTES:
        bad("the zip has no directory: it is cut off, or no zip", CURE)
    directory = struct.unpack("<L", tail[place + 12 : place + 16])[0]
    large = tail.rfind(END64, 0, place)
    if large >= 0 and len(tail) - large >= END64_BYTES:  # the library believes this one first
        directory = max(directory % 0xFFFFFFFF, struct.unpack("<Q", tail[large + 40 : large + 48])[0])
    if min(directory, size) > (bounds.images + SPARE_ENTRIES) * ENTRY_BYTES:
        bounds.check_count(max(directory // ENTRY_BYTES, bounds.images + 1))


def _check_entry(info: zipfile.ZipInfo) -> None:
    name = info.filename
    path = PurePosixPath(name)
    if (
        path.is_absolute() or ".." in path.parts or "\\" in info.orig_filename or "\0" in info.orig_filename
        or (path.parts and path.parts[0].endswith(":")) or not path.parts
    ):
        bad(f"the zip has the path {info.orig_filename[:200]!r}", "use relative paths without `..` and with / between")
    if stat.S_ISLNK(info.external_attr >> 16):
        bad(f"{name[:200]!r} is a symbolic link", "store the file itself: `zip -r` without -y")
    if info.flag_bits & 1:
        bad(f"{name[:200]!r} is encrypted", "store it without a password")
    if info.compress_type not in METHODS:
        bad(f"{name[:200]!r} is compressed with method {info.compress_type}", "use deflate, or no compression")
