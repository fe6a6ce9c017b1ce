"""From request bytes to pixels, by the service's own functions: PNG, JPEG, raw pixels, JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.payloads import jpeg, png, raw
from service.card import InputSpec
from service.images import decode
from service.pixels import from_bytes, from_lists

MAX_PIXELS = 25_000_000
pytestmark = pytest.mark.benchmark(group="decode")


def spec_of(images: NDArray[np.uint8]) -> InputSpec:
    _, height, width, channels = images.shape
    return InputSpec(height=height, width=width, channels=channels)


def test_decode_png(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    body, spec = png(images[0]), spec_of(images)
    benchmark.extra_info.update(name="decode png", control="control zlib", bytes=len(body))

    decoded = benchmark(decode, body, spec, max_pixels=MAX_PIXELS, resize="exact")

    assert np.array_equal(decoded.pixels, images[0])


def test_decode_jpeg(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    body, spec = jpeg(images[0]), spec_of(images)
    benchmark.extra_info.update(name="decode jpeg", control="control zlib", bytes=len(body))

    decoded = benchmark(decode, body, spec, max_pixels=MAX_PIXELS, resize="exact")

    assert decoded.pixels.shape == images[0].shape


def test_decode_raw(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    body, spec = raw(images[0]), spec_of(images)
    benchmark.extra_info.update(name="decode raw", control="control copy x 1", bytes=len(body))

    pixels = benchmark(from_bytes, body, spec)

    assert np.array_equal(pixels[0], images[0])


def test_decode_json(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    body, spec = json.dumps(images[0].tolist()).encode(), spec_of(images)
    benchmark.extra_info.update(name="decode json", control="control json.loads", bytes=len(body))

    pixels = benchmark(lambda: from_lists(json.loads(body), spec))

    assert np.array_equal(pixels, images[0])
