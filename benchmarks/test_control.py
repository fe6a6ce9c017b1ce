"""The controls: the least that anybody could do with the same bytes. Every other figure is read as a multiple."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.benchmark(group="control")


def test_json_loads(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    body = json.dumps(images[0].tolist()).encode()
    benchmark.extra_info.update(name="control json.loads", bytes=len(body))

    assert benchmark(json.loads, body)


def test_zlib(benchmark: BenchmarkFixture, images: NDArray[np.uint8]) -> None:
    packed = zlib.compress(images[0].tobytes())
    benchmark.extra_info.update(name="control zlib", bytes=len(packed))

    assert benchmark(zlib.decompress, packed) == images[0].tobytes()


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_copy(benchmark: BenchmarkFixture, images: NDArray[np.uint8], batch: int) -> None:
    body = images[:batch].tobytes()
    benchmark.extra_info.update(name=f"control copy x {batch}", batch=batch, bytes=len(body))

    copied = benchmark(lambda: np.frombuffer(body, dtype=np.uint8).copy())

    assert copied.size == len(body)
