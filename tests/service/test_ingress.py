"""The quick way of reading JSON against the model that describes it, and the fields beside the images."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.allowance import Allowance
from service.ingress import quick_json, read_ask
from service.problems import Problem
from service.settings import Settings
from service.wire import PredictRequest

JSON = {b"content-type": b"application/json"}
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 300), st.integers(), st.floats(), st.text(max_size=3),
    st.sampled_from(["fit", "exact"]),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner,
                                                                                          max_size=2), max_leaves=6)
NAMES = st.sampled_from(["image", "images", "model", "runtime", "top_k", "resize", "other"])


@given(st.dictionaries(NAMES, VALUES, max_size=4).map(json.dumps) | st.text(max_size=20))
def test_what_the_quick_way_reads_the_model_reads(text: str) -> None:
    body = text.encode()
    found = quick_json(body)

    if found is not None and found.get("resize") in (None, "fit", "exact"):  # checked where the query's is checked
        read = PredictRequest.model_validate_json(body)
        assert {name: getattr(read, name) for name in found} == found
        assert all(getattr(read, name) is None for name in PredictRequest.model_fields if name not in found)


@given(st.lists(st.lists(st.integers(0, 255), min_size=1), min_size=1), st.integers(1, 9))
def test_an_ordinary_request_goes_the_quick_way(pixels: list[list[int]], top_k: int) -> None:
    assert quick_json(json.dumps({"image": pixels, "top_k": top_k}).encode()) == {"image": pixels, "top_k": top_k}


@pytest.mark.parametrize(("query", "headers", "seconds"), [
    (b"timeout=0.5", {}, 0.5), (b"", {b"request-timeout": b" 2 "}, 2), (b"timeout=1e9", {}, Settings().timeout_s),
    (b"timeout=2", {b"request-timeout": b"2"}, 2), (b"", {}, None),
])
def test_a_client_may_say_how_long_it_will_wait(query: bytes, headers: dict[bytes, bytes], seconds: Any) -> None:
    assert read_ask(b'{"image":"x"}', {**JSON, **headers}, query, Settings(), Allowance).timeout_s == seconds


@pytest.mark.parametrize(("query", "headers", "slug"), [
    (b"timeout=0", {}, "bad-value"), (b"timeout=-1", {}, "bad-value"), (b"timeout=nan", {}, "bad-value"),
    (b"timeout=inf", {}, "bad-value"), (b"timeout=soon", {}, "bad-value"), (b"timeout=", {}, "bad-value"),
    (b"timeout=1", {b"request-timeout": b"2"}, "contradiction"), (b"resize=crop", {}, "bad-value"),
])
def test_a_wrong_timeout_or_resize_is_refused(query: bytes, headers: dict[bytes, bytes], slug: str) -> None:
    with pytest.raises(Problem) as caught:
        read_ask(b'{"image":"x"}', {**JSON, **headers}, query, Settings(), Allowance)

    assert caught.value.slug == slug
