"""From a folder of your own to a data set that can be trained on: read, decoded, made equal, divided, stored."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.cpu import usable_cores
from training.own import pictures, store
from training.own.collect import Collected, Item, collect
from training.own.parts import divide, rule
from training.own.store import Facts

Size = tuple[int, int]  # height, width
Tell = Callable[[str, int, int], None]  # what is being done, images done, images in all
MOST_CLASSES, SMALLEST, LARGEST = 10_000, 4, 1024
SHOWN = 5
T = TypeVar("T")


def prepare(
    path: Path, *, name: str | None = None, size: Size | None = None, tell: Tell = lambda *_: None
) -> Facts:
    """Read all images under `path`, divide them, and store them under the runs folder; nothing is done twice.

    `name` is the data set's, by default the folder's and, where images were resized, the size. `size` is what all
    images are stretched to; without it they must have one size. ValueError says what is wrong with which image.
    """
    path = path.resolve()
    collected = collect(path)
    _check_classes(collected)
    stamp = _stamp(path, name, size)
    for known in store.stored():
        if known.stamp == stamp:
            return known
    looked = _each(collected.items, lambda item: pictures.look(item.load()), "looking", tell)
    shape = _shape([found[0] for found in looked], all(found[1] for found in looked), size)
    _check_memory(len(looked), shape)
    images = np.stack(_each(collected.items, lambda item: pictures.decode(item.load(), shape), "reading", tell))
    resized = sum(found[0] != shape[:2] for found in looked)
    called = _name(name or f"{path.stem if path.is_file() else path.name}{_suffix(resized, shape)}")
    return _stored(collected, images, called, resized, str(path), stamp)


def _stored(
    collected: Collected, images: NDArray[np.uint8], name: str, resized: int, source: str, stamp: str
) -> Facts:
    index = {label: place for place, label in enumerate(collected.classes)}
    labels = np.array([index[item.label] for item in collected.items], np.int64)
    said = [item.part for item in collected.items]
    parts = divide(images, labels, said, collected.classes)
    seen = [*parts.train, *parts.validation]
    arrays = {"train": (images[seen], labels[seen]), "test": (images[[*parts.test]], labels[[*parts.test]])}
    mean, std = statistics(images[[*parts.train]])
    hashes = {split: hashlib.sha256(held.tobytes() + truth.tobytes()).hexdigest()
              for split, (held, truth) in arrays.items()}
    height, width, channels = images.shape[1:]
    facts = Facts(
        name=name, digest=store.digest_of(hashes | {"validation": str(len(parts.validation))}, collected.classes),
        height=height, width=width, channels=channels, classes=collected.classes, mean=mean, std=std,
        train=len(parts.train), validation=len(parts.validation), test=len(parts.test), left_out=parts.left_out,
        resized=resized, rules={"size": pictures.RULE, "parts": rule(said)},
        source=source, stamp=stamp,
    )
    store.write(facts, arrays)
    return facts


def statistics(images: NDArray[np.uint8]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, pixels in 0..1, rounded to four digits as recipes have them."""
    counts = [np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(images.shape[-1])]
    levels = np.arange(256) / 255
    means = [float((count * levels).sum() / count.sum()) for count in counts]
    stds = [float(np.sqrt((count * (levels - mean) ** 2).sum() / count.sum()))
            for count, mean in zip(counts, means, strict=True)]
    # A channel that never changes has no deviation to divide by.
    return tuple(round(mean, 4) for mean in means), tuple(round(max(std, 1 / 255), 4) for std in stds)


def _each(items: Sequence[Item], work: Callable[[Item], T], doing: str, tell: Tell) -> list[T]:
    """`work` on every item, on all cores; ValueError names the first items that failed and counts all."""
    def tried(item: Item) -> T | ValueError:
        try:
            return work(item)
        except (ValueError, OSError) as error:
            return ValueError(f"{item.name} {error}")

    found: list[T | ValueError] = []
    with ThreadPoolExecutor(usable_cores()) as pool:
        results: Iterable[T | ValueError] = pool.map(tried, items)
        for number, result in enumerate(results, 1):
            found.append(result)
            tell(doing, number, len(items))
    failed = [result for result in found if isinstance(result, ValueError)]
    if failed:
        more = f"\n  and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        raise ValueError(f"--data: {len(failed)} of {len(items)} images cannot be used; take them out or repair them:\n"
                         + "\n".join(f"  {error}" for error in failed[:SHOWN]) + more)
    return [result for result in found if not isinstance(result, ValueError)]


def _shape(sizes: list[Size], grey: bool, wanted: Size | None) -> tuple[int, int, Literal[1, 3]]:
    found = sorted(set(sizes))
    if wanted is None and len(found) > 1:
        middle = sorted(sizes)[len(sizes) // 2]
        raise ValueError(
            f"--data: the images have {len(found)} sizes, from {_spoken(found[0])} to {_spoken(found[-1])}; a network "
            f"takes one. Say --size HEIGHTxWIDTH, e.g. --size {middle[0]}x{middle[1]}: they are {pictures.RULE}"
        )
    height, width = wanted or found[0]
    if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
        raise ValueError(f"--size {height}x{width}: sides are from {SMALLEST} to {LARGEST} pixels; say another --size")
    return height, width, 1 if grey else 3


def _check_classes(collected: Collected) -> None:
    if not 2 <= len(collected.classes) <= MOST_CLASSES:
        raise ValueError(f"--data: found {len(collected.classes)} classes ({', '.join(collected.classes[:SHOWN])}); a "
                         f"classifier needs 2 to {MOST_CLASSES}, one folder each")


def _check_memory(count: int, shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    needs, has = count * height * width * channels, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 3 * needs > has:
        raise ValueError(f"--data: {count:,} images of {height}x{width}x{channels} are {needs / 1e9:.1f} GB, and "
                         f"training holds them in memory ({has / 1e9:.1f} GB here); say a smaller --size")


def _stamp(path: Path, name: str | None, size: Size | None) -> str:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((name, size, stats)).encode()).hexdigest()[:16]


def _suffix(resized: int, shape: tuple[int, int, int]) -> str:
    return f"-{shape[0]}x{shape[1]}" if resized else ""


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:40]
    if not name:
        raise ValueError(f"--data: {text!r} gives no name; say one as NAME=PATH, of letters, digits, '.', '_' and '-'")
    return name


def _spoken(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
