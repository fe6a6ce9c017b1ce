"""The bare runtime by model and batch size: no HTTP, no decoding. The floor under every latency in the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.comparison.contenders import Contender
from benchmarks.micro.samples import sample_for
from service.card import ModelFile
from service.runtimes import RUNTIMES, open_model


def precision(file: ModelFile) -> str:
    """Of the graph's arithmetic: the exporter writes float32 unless the format says otherwise."""
    return next((kind for kind in ("int8", "float16", "bfloat16") if kind in file.format), "float32")


@pytest.mark.benchmark(group="forward")
def test_forward(benchmark: BenchmarkFixture, contender: Contender, batch: int, request: pytest.FixtureRequest) -> None:
    options = request.config.option
    file = contender.card.file(RUNTIMES[options.weigh_runtime].format)
    if file is None:
        pytest.skip(f"{contender.id} was not exported for {options.weigh_runtime}")
    model = open_model(options.weigh_runtime, contender.folder / file.path, device=options.weigh_device,
                       threads=options.weigh_threads)
    sample = sample_for(Path(options.weigh_root), contender)
    benchmark.extra_info.update(
        name=f"forward {contender.card.name} x {batch}", control=f"control linear {sample.shape} x {batch}",
        model=contender.id, architecture=contender.card.architecture, parameters=contender.card.parameters,
        runtime=f"{model.name} {model.version}", device=model.device, threads=model.threads,
        precision=precision(file), batch=batch, sha256=file.sha256,
        accuracy=score.accuracy if (score := contender.card.score_of(file.format)) else None,
    )

    probabilities = benchmark(model, sample.images[:batch])

    assert probabilities.shape == (batch, len(contender.card.classes))
