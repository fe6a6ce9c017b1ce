"""A labelled split is an artifact: written once, checked before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.splits import DATA_FILE, Split, SplitError, find_splits, write_split

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 2, 3, 1), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)


def write(folder: Path, images: Any = IMAGES, labels: Any = LABELS) -> Path:
    write_split(folder, images, labels, dataset="tiny", split="test", classes=("a", "b", "c"), licence="CC0")
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    split = Split.find(write(tmp_path / "tiny-test"))

    images, labels = split.load()
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert (split.card.name, split.card.count, labels.dtype) == ("tiny-test", 6, np.int64)


def test_a_limit_takes_the_first(tmp_path: Path) -> None:
    images, labels = Split.find(write(tmp_path / "tiny-test")).load(2)

    assert (len(images), labels.tolist()) == (2, [0, 1])


def test_the_same_arrays_give_the_same_hash(tmp_path: Path) -> None:
    first, second = (Split.find(write(tmp_path / str(place) / "tiny-test")).card for place in (1, 2))

    assert first == second


def test_changed_data_are_found_out_and_named(tmp_path: Path) -> None:
    write(tmp_path / "splits" / "good")
    (write(tmp_path / "splits" / "bad") / DATA_FILE).write_bytes(b"other")
    (tmp_path / "splits" / "empty").mkdir()

    found, problems = find_splits([tmp_path])

    assert list(found) == ["good"]
    assert "bad: data.npz has SHA-256" in problems[0]
    assert "split.json" in problems[1]


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (IMAGES.astype(np.float32), LABELS, "images are float32"),
        (IMAGES, LABELS[:5], r"labels are uint8 \(5,\)"),
        (IMAGES, LABELS.astype(float), "labels are float64"),
        (IMAGES, LABELS + 1, "labels run from 1 to 3, the card has 3 classes"),
    ],
)
def test_arrays_that_are_no_split_are_refused_and_leave_nothing(
    tmp_path: Path, images: Any, labels: Any, reason: str
) -> None:
    with pytest.raises(SplitError, match=reason):
        write(tmp_path / "wrong", images, labels)

    assert not (tmp_path / "wrong").exists()


def test_a_good_split_survives_one_that_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny-test")

    with pytest.raises(SplitError):
        write(folder, IMAGES, LABELS + 1)

    assert np.array_equal(Split.find(folder).load()[0], IMAGES)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny-test")
    np.savez(folder / DATA_FILE, images=np.array([print], dtype=object), labels=LABELS)
    card = Split.find(write(tmp_path / "other")).card

    with pytest.raises(ValueError, match="allow_pickle=False"):
        Split(card, folder).load()
