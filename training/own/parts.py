"""Which images are trained on, held out for validation, and tested on. A pure function of the images; no seed.

Where the data says parts, they are kept, and what it lacks is taken from train, which is all of it where it says none:
a fifth of each class is the test part and an eighth of the rest the validation part, at least one image of each. The
images of a class are put in the order of the hash of their pixels and cut, so that the same folder always gives the
same parts, whatever its files are called.

The same picture twice would be learned and then asked about. Copies always fall into one part; where the data itself
has a picture in two parts, it stays in the test part, or else in validation, and is taken out of the other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.own.collect import Part

TEST, VALIDATION = 0.2, 0.125
RANK: dict[Part, int] = {"test": 0, "validation": 1, "train": 2}
RULE = "a fifth of each class is tested on and an eighth of the rest held out, by the hash of the pixels"
GIVEN = "as the data says"


@dataclass(frozen=True)
class Parts:
    """Positions of each part, in order, and how many images were left out because another part has them."""

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    left_out: int


def divide(
    images: NDArray[np.uint8], labels: NDArray[np.int64], said: Sequence[Part | None], classes: Sequence[str]
) -> Parts:
    """The parts of `images` (n, ...) with `labels` (n,); `said` is each image's part, or None.

    ValueError names the class that has too few images.
    """
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    given: list[Part | None] = list(said)
    for missing in ("test", "validation"):
        part: Part = "test" if missing == "test" else "validation"
        if part not in given:
            _take(given, part, digests, labels, classes)
    home: dict[str, Part] = {}
    for digest, mine in zip(digests, given, strict=True):
        assigned = mine or "train"
        home[digest] = min(home.get(digest, assigned), assigned, key=RANK.__getitem__)
    kept: dict[Part, list[int]] = {"train": [], "validation": [], "test": []}
    for place, (digest, mine) in enumerate(zip(digests, given, strict=True)):
        if home[digest] == (mine or "train"):
            kept[home[digest]].append(place)
    for name, places in kept.items():
        have = Counter(labels[places].tolist())
        if lacking := [label for index, label in enumerate(classes) if not have[index]]:
            raise ValueError(f"--data: the {name} part has no image of the class {lacking[0]!r}"
                             f"{f' and {len(lacking) - 1} others' if len(lacking) > 1 else ''}; every class needs at "
                             "least one image to train on, one to validate and one to test")
    left_out = len(digests) - sum(map(len, kept.values()))
    return Parts(tuple(kept["train"]), tuple(kept["validation"]), tuple(kept["test"]), left_out)


def rule(said: Sequence[Part | None]) -> str:
    """How `divide` comes to its parts, in words; `said` as there."""
    if "test" in said and "validation" in said:
        return GIVEN
    if "test" in said:
        return f"{GIVEN}, and an eighth of each class of train is held out, by the hash of the pixels"
    if "validation" in said:
        return f"{GIVEN}, and a fifth of each class of train is tested on, by the hash of the pixels"
    return RULE


def _take(
    given: list[Part | None], part: Part, digests: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str]
) -> None:
    """Give `part` its share of every class of what is train so far, and is no copy of what another part has."""
    share = TEST if part == "test" else VALIDATION
    elsewhere = {digest for digest, other in zip(digests, given, strict=True) if other not in (None, "train")}
    for index in range(len(classes)):
        mine = [place for place in np.flatnonzero(labels == index).tolist() if given[place] in (None, "train")]
        distinct = sorted({digests[place] for place in mine} - elsewhere)
        # In the order of a second hash: validation would otherwise begin where the test part's prefix ended.
        ordered = sorted(distinct, key=lambda digest: hashlib.sha256(f"{part} {digest}".encode()).digest())
        chosen = set(ordered[: max(1, round(share * len(ordered)))])
        for place in mine:
            if digests[place] in chosen:
                given[place] = part
