"""Shared parts of the tests: a toy artifact, and which tests this machine can run."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("patient", deadline=None)  # no test asserts on time
hypothesis.settings.load_profile("patient")
os.environ["BENTOML_DO_NOT_TRACK"] = "true"  # before anything imports bentoml

if importlib.util.find_spec("torch") is None:
    collect_ignore = ["training", "export"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes go by their argument's name: what is packed with the time of day in it differs from worker to worker."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def toy_models(tmp_path: Path) -> Path:
    """A model root that holds `toy@1`: 4x4 grey, classes dark and bright."""
    from toy import write_toy

    root = tmp_path / "models"
    write_toy(root)
    return root
