"""What the micro-benchmarks run on: one parameter per model, and pinned images.

    python -m pytest benchmarks/micro                            on their own, with pytest-benchmark's table
    python -m pytest benchmarks/micro --benchmark-disable        as a smoke test
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparison.contenders import MODELS, NothingToWeighError, find_contenders
from benchmarks.micro.samples import BATCHES, sample_for
from benchmarks.micro.timings import add_percentiles


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which models, and how they run; `python -m benchmarks` passes these on."""
    group = parser.getgroup("weigh")
    group.addoption("--weigh-root", default=str(MODELS), help="folder of models")
    group.addoption("--weigh-model", action="append", help="glob of model names; may be repeated")
    group.addoption("--weigh-runtime", default="onnxruntime")
    group.addoption("--weigh-threads", type=int, default=1)
    group.addoption("--weigh-device", default="cpu")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`contender` is every model, `sample` images of every shape that some model takes, `batch` every batch size."""
    options = metafunc.config.option
    if "batch" in metafunc.fixturenames:
        metafunc.parametrize("batch", BATCHES)
    if not {"contender", "sample"} & set(metafunc.fixturenames):
        return
    root = Path(options.weigh_root)
    try:
        found = find_contenders(root, options.weigh_model or ("*",))
    except NothingToWeighError as error:
        raise pytest.UsageError(str(error)) from error
    if "contender" in metafunc.fixturenames:
        metafunc.parametrize("contender", found, ids=[contender.card.name for contender in found])
    else:
        samples = {sample.shape: sample for sample in (sample_for(root, contender) for contender in found)}
        metafunc.parametrize("sample", list(samples.values()), ids=list(samples))


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Percentiles for whoever reads pytest-benchmark's file: it keeps every timing and reports none of them."""
    add_percentiles(output_json)
