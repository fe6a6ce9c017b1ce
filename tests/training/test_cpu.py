"""What a run says of its processor tells generations apart that a hypervisor calls by one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.cpu import usable_cores as served_cores
from training import provenance
from training.cpu import cpu_flags, cpu_generation, cpu_name, usable_cores
from training.results.durations import place


def test_a_machine_is_told_by_name_generation_cores_and_instructions() -> None:
    machine = provenance.machine()

    assert machine["cpu"] == cpu_name() != ""
    assert machine["generation"] == cpu_generation()
    assert machine["cores"] == usable_cores() >= 1
    assert set(machine["flags"]) <= cpu_flags()


@pytest.mark.parametrize("quota", ["50000 100000\n", "150000 100000\n", "max 100000\n", "", "?"])
def test_training_and_service_count_the_cores_of_a_container_alike(tmp_path: Path, quota: str) -> None:
    (tmp_path / "cpu.max").write_text(quota)

    assert usable_cores(tmp_path / "cpu.max") == served_cores(tmp_path / "cpu.max") >= 1


def test_a_place_names_the_generation_where_it_is_known() -> None:
    old = {"cpu": "AMD EPYC", "cores": 2}

    assert place(old) == "2 cores of AMD EPYC"
    assert place({**old, "generation": "family 23, model 1"}) == "2 cores of AMD EPYC (family 23, model 1)"
    assert place({**old, "gpu": "a GPU"}) == "a GPU"
