"""The controls: the least that anybody could do with the same bytes. Every other figure is read as a multiple."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.samples import Sample

CLASSES = 10
pytestmark = pytest.mark.benchmark(group="control")


def test_json_loads(benchmark: BenchmarkFixture, sample: Sample) -> None:
    body = json.dumps(sample.images[0].tolist()).encode()
    benchmark.extra_info.update(name=f"control json.loads {sample.shape}", bytes=len(body))

    assert benchmark(json.loads, body)


def test_zlib(benchmark: BenchmarkFixture, sample: Sample) -> None:
    packed = zlib.compress(sample.images[0].tobytes())
    benchmark.extra_info.update(name=f"control zlib {sample.shape}", bytes=len(packed))

    assert benchmark(zlib.decompress, packed) == sample.images[0].tobytes()


def test_copy(benchmark: BenchmarkFixture, sample: Sample) -> None:
    body = sample.images[0].tobytes()
    benchmark.extra_info.update(name=f"control copy {sample.shape}", bytes=len(body))

    copied = benchmark(lambda: np.frombuffer(body, dtype=np.uint8).copy())

    assert copied.size == len(body)


def test_linear(benchmark: BenchmarkFixture, sample: Sample, batch: int) -> None:
    """The smallest classifier there is, in numpy: pixels to float, one matrix product."""
    flat = sample.images[:batch].reshape(batch, -1)
    weights = np.random.default_rng(0).normal(size=(flat.shape[1], CLASSES)).astype(np.float32)
    benchmark.extra_info.update(name=f"control linear {sample.shape} x {batch}", batch=batch, bytes=flat.size)

    scores = benchmark(lambda: flat.astype(np.float32) @ weights)

    assert scores.shape == (batch, CLASSES)
