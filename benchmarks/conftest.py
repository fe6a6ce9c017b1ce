"""What the micro-benchmarks run on: one parameter per model, and pinned images.

    python -m pytest benchmarks                            on their own, with pytest-benchmark's table
    python -m pytest benchmarks --benchmark-disable        as a smoke test
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.contenders import MODELS, Contender, NothingToWeighError, find_contenders, find_split
from service.card import InputSpec

FASHION_MNIST = InputSpec(height=28, width=28, channels=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which models, and how they run; `python -m benchmarks` passes these on."""
    group = parser.getgroup("weigh")
    group.addoption("--weigh-root", default=str(MODELS), help="folder of models")
    group.addoption("--weigh-model", action="append", help="glob of model names; may be repeated")
    group.addoption("--weigh-runtime", default="onnxruntime")
    group.addoption("--weigh-threads", type=int, default=1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `contender` runs once per model."""
    if "contender" in metafunc.fixturenames:
        options = metafunc.config.option
        try:
            found = find_contenders(Path(options.weigh_root), options.weigh_model or ("*",))
        except NothingToWeighError as error:
            metafunc.parametrize("contender", [pytest.param(None, marks=pytest.mark.skip(reason=str(error)))])
        else:
            metafunc.parametrize("contender", found, ids=[contender.card.name for contender in found])


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    """The first 32 images of the split that fits the first model; seeded noise where nothing is bundled."""
    options = request.config.option
    try:
        card = find_contenders(Path(options.weigh_root), options.weigh_model or ("*",))[0].card
        return find_split(Path(options.weigh_root), card).load(32)[0]
    except NothingToWeighError:
        return np.random.default_rng(0).integers(0, 256, (32, *FASHION_MNIST.shape), dtype=np.uint8)


@pytest.fixture
def contender_images(request: pytest.FixtureRequest, contender: Contender) -> NDArray[np.uint8]:
    """The first 32 images of the split that fits this model; seeded noise where none is bundled."""
    try:
        return find_split(Path(request.config.option.weigh_root), contender.card).load(32)[0]
    except NothingToWeighError:
        return np.random.default_rng(0).integers(0, 256, (32, *contender.card.input.shape), dtype=np.uint8)
