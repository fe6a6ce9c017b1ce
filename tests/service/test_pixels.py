"""Pixels from raw bytes and nested lists, against a parser that is slow and obvious."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.card import InputSpec
from service.pixels import from_bytes, from_lists
from service.problems import Problem

GREY = InputSpec(height=2, width=3, channels=1)
RGB = InputSpec(height=2, width=3, channels=3)
SPECS = st.sampled_from([GREY, RGB])
SCALARS = st.one_of(
    st.integers(-2, 257), st.integers(), st.booleans(), st.none(), st.floats(), st.text(max_size=2), st.just({"a": 1})
)
NESTED = st.lists(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=30), max_size=4)


def obvious(item: Any, shape: tuple[int, ...]) -> bool:
    """Whether `item` is nested lists of this shape with integers from 0 to 255 at the bottom."""
    if not shape:
        return type(item) is int and 0 <= item <= 255
    return type(item) is list and len(item) == shape[0] and all(obvious(each, shape[1:]) for each in item)


def acceptable(item: Any, spec: InputSpec) -> bool:
    return obvious(item, spec.shape) or (spec.channels == 1 and obvious(item, spec.shape[:2]))


@given(SPECS.flatmap(lambda spec: st.tuples(st.just(spec), arrays(np.uint8, spec.shape))))
def test_an_array_survives_the_way_through_lists(case: tuple[InputSpec, np.ndarray]) -> None:
    spec, pixels = case

    np.testing.assert_array_equal(from_lists(pixels.tolist(), spec), pixels)


@given(arrays(np.uint8, GREY.shape))
def test_a_grey_image_needs_no_channel_axis(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(from_lists(pixels[..., 0].tolist(), GREY), pixels)


@given(NESTED, SPECS)
def test_what_is_not_pixels_is_a_problem_and_nothing_else(item: list[Any], spec: InputSpec) -> None:
    if acceptable(item, spec):
        assert from_lists(item, spec).shape == spec.shape
    else:
        with pytest.raises(Problem) as caught:
            from_lists(item, spec)
        assert caught.value.slug in {"wrong-shape", "bad-pixels"}


@given(arrays(np.uint8, GREY.shape), st.data())
def test_one_wrong_value_anywhere_is_found(pixels: np.ndarray, data: st.DataObject) -> None:
    item = pixels[..., 0].tolist()
    wrong = data.draw(SCALARS.filter(lambda value: not (type(value) is int and 0 <= value <= 255)))
    item[data.draw(st.integers(0, 1))][data.draw(st.integers(0, 2))] = wrong

    with pytest.raises(Problem) as caught:
        from_lists(item, GREY)
    assert caught.value.slug == "bad-pixels"


@given(st.integers(1, 5).flatmap(lambda count: arrays(np.uint8, (count, *RGB.shape))))
def test_raw_bytes_are_rows_of_pixels_channels_last(images: np.ndarray) -> None:
    found = from_bytes(images.tobytes(), RGB)

    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize("size", [1, 5, 7, 11])
def test_raw_bytes_must_be_whole_images(size: int) -> None:
    with pytest.raises(Problem, match="not a whole number of images of 2 x 3 x 1 = 6 bytes"):
        from_bytes(bytes(size), GREY)


@given(NESTED, SPECS)
def test_the_quick_way_finds_the_same_where_there_are_no_booleans(item: list[Any], spec: InputSpec) -> None:
    def run(*, no_booleans: bool) -> Any:
        try:
            return from_lists(item, spec, no_booleans=no_booleans).tolist()
        except Problem as problem:
            return problem.slug, problem.detail

    if "True" not in repr(item) and "False" not in repr(item):
        assert run(no_booleans=True) == run(no_booleans=False)
