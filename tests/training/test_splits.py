"""Validation images are never trained on, and hold every class in its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.protocol import Protocol, clean
from training.splits import carve, spread

LABELS = np.repeat(np.arange(10), 60)


@given(seed=st.integers(0, 2**31), held_out=st.integers(1, 599), fraction=st.floats(0.01, 1), stratified=st.booleans())
def test_what_is_held_out_is_never_trained_on(seed: int, held_out: int, fraction: float, stratified: bool) -> None:
    protocol = Protocol(held_out=held_out, stratified=stratified, watches="held-out", tests_on="test")

    used, held = carve(LABELS, protocol, fraction=fraction, seed=seed)

    assert len(held) == held_out
    assert len(used) == max(1, int(fraction * (600 - held_out)))
    assert len(set(used) | set(held)) == len(used) + len(held)


@given(seed=st.integers(0, 2**31), held_out=st.integers(1, 599))
def test_a_stratified_split_holds_each_class_to_within_one_image(seed: int, held_out: int) -> None:
    _, held = carve(LABELS, clean(held_out), fraction=1, seed=seed)

    counts = np.bincount(LABELS[held], minlength=10)
    assert counts.max() - counts.min() <= 1


def test_unequal_classes_are_held_out_in_their_share() -> None:
    labels = np.repeat([0, 1], [900, 100])

    _, held = carve(labels, clean(100), fraction=1, seed=0)

    assert np.bincount(labels[held]).tolist() == [90, 10]


def test_the_split_follows_the_seed_and_nothing_else() -> None:
    first, again, other = (carve(LABELS, clean(100), fraction=1, seed=seed)[1] for seed in (0, 0, 1))

    assert first.tolist() == again.tolist() != other.tolist()


def test_the_fraction_changes_what_is_trained_on_and_not_what_is_held_out() -> None:
    whole, held = carve(LABELS, clean(100), fraction=1, seed=0)
    part, held_too = carve(LABELS, clean(100), fraction=0.5, seed=0)

    assert (len(whole), len(part)) == (500, 250)
    assert set(part) < set(whole)
    assert held.tolist() == held_too.tolist()


@given(count=st.integers(2, 10_000), most=st.integers(2, 600))
def test_some_of_many_places_are_from_all_over_and_none_comes_twice(count: int, most: int) -> None:
    places = spread(count, most)

    assert (len(places), places[0], places[-1]) == (min(count, most), 0, count - 1)
    assert 1 <= np.diff(places).min() >= np.diff(places).max() - 1


def test_nothing_held_out_trains_on_everything() -> None:
    used, held = carve(LABELS, Protocol(held_out=0, watches="test", tests_on="test"), fraction=1, seed=0)

    assert (len(used), len(held)) == (600, 0)


def test_holding_out_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="600 images cannot be held out of 600"):
        carve(LABELS, clean(600), fraction=1, seed=0)


def test_a_protocol_cannot_score_held_out_images_it_does_not_have() -> None:
    with pytest.raises(ValueError, match="must hold some out"):
        Protocol(held_out=0, watches="held-out", tests_on="test")
