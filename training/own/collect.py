"""What lies in a folder of class folders, or in Parquet: images with their labels, in parts where it says parts.

    flowers/daisy/1.jpg                        class folders
    flowers/{train,validation,test}/daisy/…    the same in parts; validation may be missing
    flowers.parquet                            a table of columns `image` (bytes, or {bytes, path}) and `label`
    flowers/{train,validation,test}-*.parquet  the same in parts, or under flowers/data/, as the Hugging Face hub has it

Classes are the names of the folders, or the labels; numbers are sorted as numbers, names by letter. A Parquet file
that was written by Hugging Face's `datasets` brings its class names along. Images are read when they are asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Part = Literal["train", "validation", "test"]
PARTS: dict[str, Part] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}
LEFTOVERS = ("Thumbs.db", "desktop.ini", "__MACOSX")
IMAGE = ("image", "img", "bytes")
LABEL = ("label", "labels", "class", "target")
LAYOUT = "a folder of class folders (flowers/daisy/1.jpg), the same under train/ and test/, or Parquet files"


@dataclass(frozen=True)
class Item:
    """One image that has not been read yet. `name` is where it lies; `part` is None where the data has no parts."""

    name: str
    label: str
    part: Part | None
    load: Callable[[], bytes] = field(repr=False)


@dataclass(frozen=True)
class Collected:
    """All images of a data set, in the order of their names, and its classes."""

    items: tuple[Item, ...]
    classes: tuple[str, ...]


def collect(path: Path) -> Collected:
    """What `path` holds. ValueError says what is wrong and what it should look like."""
    if not path.exists():
        raise ValueError(f"--data: {path} does not exist; give {LAYOUT}")
    if path.is_file():
        if path.suffix.lower() != ".parquet":
            raise ValueError(f"--data: {path} is a file and no .parquet; give {LAYOUT}")
        return _from_tables(path, {None: [path]})
    folders = _folders(path)
    if tables := _tables(path):
        if any(folder.name != "data" for folder in folders):
            raise ValueError(f"--data: {path} has Parquet files and folders; give one or the other")
        return _from_tables(path, tables)
    return _from_folders(path, folders)


def _from_folders(path: Path, folders: list[Path]) -> Collected:
    names = {folder.name.lower() for folder in folders}
    if names and names <= set(PARTS) and "train" in {PARTS[name] for name in names}:
        items = [item for folder in folders for item in _classes(path, folder, PARTS[folder.name.lower()])]
    else:
        items = list(_classes(path, path, None))
    if not items:
        raise ValueError(f"--data: {path} holds no images in class folders; give {LAYOUT}")
    return Collected(tuple(items), _sorted({item.label for item in items}))


def _classes(root: Path, folder: Path, part: Part | None) -> Iterator[Item]:
    """The images of every class folder in `folder`."""
    for loose in sorted(folder.iterdir()):
        if loose.is_file() and loose.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp", ".bmp"):
            raise ValueError(f"--data: {loose.relative_to(root)} lies in no class folder; give {LAYOUT}")
    for label in _folders(folder):
        for file in sorted(label.iterdir()):
            name = str(file.relative_to(root))
            if file.name.startswith(".") or file.name in LEFTOVERS:
                continue
            if not file.is_file():
                raise ValueError(f"--data: {name} is a folder within a class folder; give {LAYOUT}")
            yield Item(name, label.name, part, file.read_bytes)


def _folders(path: Path) -> list[Path]:
    return [each for each in sorted(path.iterdir())
            if each.is_dir() and not each.name.startswith(".") and each.name not in LEFTOVERS]


def _tables(path: Path) -> dict[Part | None, list[Path]]:
    """The Parquet files of each part, told by how their names begin."""
    found: dict[Part | None, list[Path]] = {}
    for file in sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet")]):
        begin = file.stem.lower().replace("_", "-").split("-")[0]
        found.setdefault(PARTS.get(begin), []).append(file)
    if None in found and len(found) > 1:
        raise ValueError(f"--data: {found[None][0].name} is of no part, and other files of {path} are; "
                         "name them train-….parquet, validation-….parquet and test-….parquet")
    if found and None not in found and "train" not in found:
        raise ValueError(f"--data: {path} has no train-….parquet")
    return found


def _from_tables(path: Path, tables: dict[Part | None, list[Path]]) -> Collected:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError("--data: Parquet is read with pyarrow, which is not installed: uv pip install pyarrow, or use "
                         "a folder of class folders") from None
    items: list[Item] = []
    named: tuple[str, ...] | None = None
    for part, files in tables.items():
        for file in files:
            try:
                table = parquet.read_table(file)
            except (pyarrow.ArrowException, OSError) as error:
                raise ValueError(f"--data: {file} cannot be read: {error}") from error
            images, labels = (table.column(_column(file, table.column_names, wanted)) for wanted in (IMAGE, LABEL))
            named = named or _names(table.schema, table.column_names)
            for row, (image, label) in enumerate(zip(images, labels.to_pylist(), strict=True)):
                where = file.name if file == path else str(file.relative_to(path))
                items.append(Item(f"{where} row {row}", _label(where, row, label, named), part, _bytes(image)))
    if not items:
        raise ValueError(f"--data: {path} holds no rows")
    return Collected(tuple(items), named or _sorted({item.label for item in items}))


def _bytes(image: Any) -> Callable[[], bytes]:
    def load() -> bytes:
        value = image.as_py()
        if isinstance(value, dict):
            value = value.get("bytes")
        if not isinstance(value, bytes):
            raise ValueError("holds no bytes of an encoded image")
        return value

    return load


def _column(file: Path, names: list[str], wanted: tuple[str, ...]) -> str:
    found = [name for name in names if name.lower() in wanted]
    if len(found) != 1:
        raise ValueError(f"--data: {file} has the columns {', '.join(names)[:200]}, and not one of {', '.join(wanted)}")
    return found[0]


def _label(where: str, row: int, label: Any, named: tuple[str, ...] | None) -> str:
    if isinstance(label, bool) or not isinstance(label, int | str) or label == "":
        raise ValueError(f"--data: {where} row {row} has the label {label!r}; labels are whole numbers or names")
    if named and isinstance(label, int):
        if not 0 <= label < len(named):
            raise ValueError(f"--data: {where} row {row} has the label {label}; the file names {len(named)} classes")
        return named[label]
    return str(label)


def _names(schema: Any, columns: list[str]) -> tuple[str, ...] | None:
    """The class names that Hugging Face's `datasets` writes beside the columns."""
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        label = next(name for name in columns if name.lower() in LABEL)
        return tuple(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError, StopIteration):
        return None


def _sorted(labels: set[str]) -> tuple[str, ...]:
    numbers = all(label.isascii() and label.isdigit() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label), label) if numbers else (0, label)))
