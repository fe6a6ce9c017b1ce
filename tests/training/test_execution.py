"""The machine's side of a run is chosen from what the machine has, and never changes what a recipe is."""

from __future__ import annotations

import os

import pytest
import torch

from training import execution
from training.execution import choose
from training.recipes import RECIPES


def test_small_dense_networks_stay_in_fp32() -> None:
    chosen = choose(RECIPES["fm000-linear"], device="cpu")

    assert (chosen.precision, chosen.channels_last) == ("fp32", False)


@pytest.mark.parametrize(("flags", "precision"), [({"avx2"}, "fp32"), ({"avx2", "avx512f", "avx512_bf16"}, "bf16")])
def test_convolutions_use_bf16_only_where_the_cpu_multiplies_in_it(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], precision: str
) -> None:
    monkeypatch.setattr(execution, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)

    assert choose(RECIPES["fm-fast"], device="cpu").precision == precision


def test_threads_are_the_cores_this_process_may_use_unless_said_otherwise() -> None:
    assert choose(RECIPES["fm-fast"], device="cpu").threads == len(os.sched_getaffinity(0))
    assert choose(RECIPES["fm-fast"], device="cpu", threads=7).threads == 7
