"""A new version of a model's folder, complete or absent: built in a hidden place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service.card import CardError, ModelCard, is_version_folder, read_card

T = TypeVar("T")


def publish_version(family: Path, build: Callable[[Path, int], T]) -> tuple[Path, T]:
    """Let `build(folder, version)` fill the next version under `family` = root/name; its folder, and what it returned.

    When `build` raises, nothing is left behind.
    """
    version = 1 + max((int(folder.name) for folder in _versions(family)), default=0)
    family.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=family))
    try:
        # Named as the final folder, so that the card can be read back and verified where it lies.
        folder = staging / family.name / str(version)
        folder.mkdir(parents=True)
        built = build(folder, version)
        folder.chmod(0o755)
        final = family / str(version)
        folder.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return final, built


def newest_version(family: Path) -> tuple[Path, ModelCard] | None:
    """The highest complete version under `root/name`, or None. Folders without a readable card do not count."""
    for folder in sorted(_versions(family), key=lambda path: -int(path.name)):
        try:
            return folder, read_card(folder)
        except CardError:
            continue
    return None


def _versions(family: Path) -> list[Path]:
    return [folder for folder in family.iterdir() if is_version_folder(folder)] if family.is_dir() else []
