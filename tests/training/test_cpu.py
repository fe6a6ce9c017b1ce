"""What a run says of its processor tells generations apart that a hypervisor calls by one name."""

from __future__ import annotations

from training import provenance
from training.cpu import cpu_flags, cpu_generation, cpu_name, usable_cores
from training.results.durations import place


def test_a_machine_is_told_by_name_generation_cores_and_instructions() -> None:
    machine = provenance.machine()

    assert machine["cpu"] == cpu_name() != ""
    assert machine["generation"] == cpu_generation()
    assert machine["cores"] == usable_cores() >= 1
    assert set(machine["flags"]) <= cpu_flags()


def test_a_place_names_the_generation_where_it_is_known() -> None:
    old = {"cpu": "AMD EPYC", "cores": 2}

    assert place(old) == "2 cores of AMD EPYC"
    assert place({**old, "generation": "family 23, model 1"}) == "2 cores of AMD EPYC (family 23, model 1)"
    assert place({**old, "gpu": "a GPU"}) == "a GPU"
