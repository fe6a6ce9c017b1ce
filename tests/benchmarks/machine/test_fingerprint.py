"""A figure is kept under the machine it was made on, and two machines are told apart although they share a name."""

from __future__ import annotations

import pytest

from benchmarks.machine.fingerprint import _processor, cpu_name, differences, fingerprint, slug

EPYC = {"cpu": "AMD EPYC", "usable_cores": 2}
OLD = EPYC | {"processor": "family 23, model 1, stepping 2"}
NEW = EPYC | {"processor": "family 26, model 2, stepping 1"}
CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 23
model\t\t: 1
model name\t: AMD EPYC
stepping\t: 2

processor\t: 1
cpu family\t: 23
"""
ARM = "processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\nCPU revision\t: 1\n"


def test_two_generations_that_a_hypervisor_calls_by_one_name_are_two_machines() -> None:
    assert differences(fingerprint() | OLD, fingerprint() | NEW) == [
        "processor: family 23, model 1, stepping 2 and family 26, model 2, stepping 1"
    ]
    assert slug(OLD) == "amd-epyc-family-23-model-1-2-cores"
    assert slug(NEW) == "amd-epyc-family-26-model-2-2-cores"
    assert cpu_name(OLD) == "AMD EPYC (family 23, model 1)"


def test_results_that_do_not_tell_the_generation_keep_their_name_and_are_compared_with_none_that_does() -> None:
    assert slug(EPYC) == "amd-epyc-2-cores"
    assert cpu_name(EPYC) == "AMD EPYC"
    assert differences(EPYC, NEW) == ["processor: None and family 26, model 2, stepping 1"]


@pytest.mark.parametrize(("cpuinfo", "told"), [
    (CPUINFO, "family 23, model 1, stepping 2"),
    (ARM, "implementer 0x41, part 0xd0c, revision 1"),
    ("", None),
    ("Processor : something else entirely", None),
])
def test_the_first_core_says_what_it_is(cpuinfo: str, told: str | None) -> None:
    assert _processor(cpuinfo) == told
