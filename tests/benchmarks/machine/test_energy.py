"""Energy counters, on files and a GPU made by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.machine import gpu
from benchmarks.machine.energy import EnergyMeter, Rapl
from benchmarks.machine.gpu import INSTALL, Gpus


def package(root: Path, name: str, microjoules: int) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")
    return folder


def test_packages_are_added_up_and_their_parts_are_not_counted_twice(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        package(tmp_path, name, 100_000)
    rapl = Rapl(tmp_path)
    before = rapl.read()
    package(tmp_path, "intel-rapl:0", 600_000)
    package(tmp_path, "intel-rapl:1", 50_000)  # its counter began anew at 1 J

    assert rapl.joules(before, rapl.read()) == pytest.approx(0.5 + 0.95)


def test_where_there_are_no_counters_the_reason_is_told_instead_of_a_figure(tmp_path: Path) -> None:
    with EnergyMeter(Rapl(tmp_path)) as meter:
        pass

    assert meter.used["cpu_joules"] is None
    assert "no RAPL counters" in meter.used["cpu_unknown"]


def test_a_gpu_is_asked_through_nvml_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "gpu_here", lambda: True)
    gpu.no_gpu.cache_clear()
    spent = iter((5000, 7500))
    nvml: Any = SimpleNamespace(
        NVMLError=RuntimeError, nvmlInit=lambda: None, nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index, nvmlDeviceGetTotalEnergyConsumption=lambda _: next(spent),
        nvmlDeviceGetUtilizationRates=lambda _: SimpleNamespace(gpu=40),
        nvmlDeviceGetMemoryInfo=lambda _: SimpleNamespace(used=2**30),
        nvmlDeviceGetName=lambda _: "NVIDIA T 1", nvmlSystemGetDriverVersion=lambda: "9.8",
    )
    try:
        monkeypatch.setattr(gpu, "import_module", lambda _: nvml)
        gpus = Gpus()
        with EnergyMeter(Rapl(tmp_path), gpus) as meter:
            pass
        seen, about = gpus.busy(), gpus.about()
        monkeypatch.setattr(gpu, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
        without = Gpus()
    finally:
        gpu.no_gpu.cache_clear()

    assert meter.used["gpu_joules"] == 2.5
    assert seen == (0.4, 2**30)
    assert about == {"name": "NVIDIA T 1", "driver": "9.8"}
    assert without.about() == {"unknown": INSTALL}
    assert without.unknown == INSTALL
