"""From request bytes to pixels, by the service's own functions: PNG, JPEG, raw pixels, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.load.payloads import jpeg, png, raw
from benchmarks.micro.samples import Sample
from service.card import InputSpec
from service.images import decode
from service.pixels import from_bytes, from_lists

MAX_PIXELS = 25_000_000
Encoder = Callable[[NDArray[np.uint8]], bytes]
pytestmark = pytest.mark.benchmark(group="decode")


def spec_of(sample: Sample) -> InputSpec:
    height, width, channels = sample.images.shape[1:]
    return InputSpec.model_validate({"height": height, "width": width, "channels": channels})


@pytest.mark.parametrize(("kind", "encode"), [("png", png), ("jpeg", jpeg)])
def test_decode_image(benchmark: BenchmarkFixture, sample: Sample, kind: str, encode: Encoder) -> None:
    body = encode(sample.images[0])
    benchmark.extra_info.update(
        name=f"decode {kind} {sample.shape}", control=f"control zlib {sample.shape}", bytes=len(body)
    )

    decoded = benchmark(decode, body, spec_of(sample), max_pixels=MAX_PIXELS, resize="exact")

    assert decoded.pixels.shape == sample.images[0].shape


def test_decode_raw(benchmark: BenchmarkFixture, sample: Sample) -> None:
    body = raw(sample.images[0])
    benchmark.extra_info.update(
        name=f"decode raw {sample.shape}", control=f"control copy {sample.shape}", bytes=len(body)
    )

    pixels = benchmark(from_bytes, body, spec_of(sample))

    assert np.array_equal(pixels[0], sample.images[0])


def test_decode_json(benchmark: BenchmarkFixture, sample: Sample) -> None:
    body, spec = json.dumps(sample.images[0].tolist()).encode(), spec_of(sample)
    benchmark.extra_info.update(
        name=f"decode json {sample.shape}", control=f"control json.loads {sample.shape}", bytes=len(body)
    )

    pixels = benchmark(lambda: from_lists(json.loads(body), spec))

    assert np.array_equal(pixels, sample.images[0])
