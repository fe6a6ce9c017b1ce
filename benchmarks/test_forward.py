"""The bare runtime by model and batch size: no HTTP, no decoding. The floor under every latency in the report."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.contenders import Contender
from service.runtimes import RUNTIMES, open_model


@pytest.mark.benchmark(group="forward")
@pytest.mark.parametrize("batch", [1, 8, 32])
def test_forward(
    benchmark: BenchmarkFixture, contender: Contender, contender_images: NDArray[np.uint8], batch: int,
    request: pytest.FixtureRequest,
) -> None:
    options = request.config.option
    file = contender.card.file(RUNTIMES[options.weigh_runtime].format)
    if file is None:
        pytest.skip(f"{contender.id} was not exported for {options.weigh_runtime}")
    model = open_model(options.weigh_runtime, contender.folder / file.path, threads=options.weigh_threads)
    images = np.ascontiguousarray(contender_images[:batch])
    benchmark.extra_info.update(
        name=f"forward {contender.card.name} x {batch}", control=f"control copy x {batch}", model=contender.id,
        runtime=f"{model.name} {model.version}", device=model.device, threads=model.threads, batch=batch,
        sha256=file.sha256,
    )

    probabilities = benchmark(model, images)

    assert probabilities.shape == (batch, len(contender.card.classes))
