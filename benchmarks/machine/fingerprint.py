"""The fingerprint of where something was measured. A figure without its machine is a rumour."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine.children import ROOT
from service.cpu import CGROUP_CPU_MAX, usable_cores

LIBRARIES = ("bentoml", "starlette", "numpy", "onnxruntime-gpu", "onnxruntime", "torch", "pillow", "locust", "gevent",
             "pytest-benchmark", "hdrhistogram")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CPUINFO = Path("/proc/cpuinfo")
BUSY = 0.5  # load average per core above which something else is clearly running
SAME = ("cpu", "processor", "cores", "usable_cores", "cpu_quota", "system", "python", "libraries")  # to be compared
X86, ARM = ("cpu family", "model", "stepping"), ("CPU implementer", "CPU part", "CPU revision")  # in /proc/cpuinfo


def fingerprint() -> dict[str, Any]:
    """Everything known about this machine that could move a figure. JSON-ready; unknown values are None."""
    memory = psutil.virtual_memory()
    return {
        "cpu": _cpu_model(),
        "processor": _processor(_read(CPUINFO) or ""),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cpu_quota": _read(CGROUP_CPU_MAX),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "virtual": "hypervisor" in (_read(CPUINFO) or ""),
        "ram_bytes": memory.total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "commit": commit(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def warnings(machine: dict[str, Any]) -> list[str]:
    """What is off about a machine as a place to measure, each with what it does to the figures."""
    found = []
    if machine["load_average"][0] > BUSY * (machine["usable_cores"] or 1):
        found.append(f"the machine is busy (load average {machine['load_average'][0]} on {machine['usable_cores']} "
                     "usable cores): latencies are upper bounds")
    if machine["usable_cores"] < 2:
        found.append("only one core is usable: server and generator take turns on it, and slow each other down")
    if machine["cpu_quota"] and not machine["cpu_quota"].startswith("max"):
        found.append(f"a cgroup limits the CPU time ({machine['cpu_quota']}): it shows as stalls in the tail")
    if machine["governor"] not in (None, "performance"):
        found.append(f"the CPU governor is {machine['governor']}: idle periods make the next request slower")
    if machine["virtual"]:
        found.append("this is a virtual machine: neighbours it cannot see may take its time")
    return found


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Why figures from two fingerprints must not stand in one table; empty when they may."""
    return [f"{key}: {one.get(key)} and {other.get(key)}" for key in SAME if one.get(key) != other.get(key)]


def cpu_name(machine: dict[str, Any]) -> str:
    """The CPU for people. Hypervisors shorten names, so that ten years of AMD's servers are all an "AMD EPYC", and the
    generation has to be told as well; results of before 2026-11-27 do not have it."""
    generation = _generation(machine)
    return f"{machine['cpu']} ({generation})" if generation else str(machine["cpu"])


def cpu_and_cores(machine: dict[str, Any]) -> str:
    """The CPU for people, and how much of it there was: "AMD EPYC (family 23, model 1), 2 usable cores"."""
    return f"{cpu_name(machine)}, {machine['usable_cores']} usable cores"


def slug(machine: dict[str, Any]) -> str:
    """A file name for this kind of machine: cpu model, its generation where that is known, and usable cores."""
    model = re.sub(r"\((r|tm)\)|cpu|processor|@.*", "", (machine["cpu"] or "unknown").lower())
    return re.sub(r"[^a-z0-9]+", "-", f"{model} {_generation(machine)} {machine['usable_cores']} cores").strip("-")


def commit() -> str | None:
    """The repository's commit, with `+changes` where tracked files differ; None outside of git."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],  # noqa: S607
                              cwd=ROOT, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str | None:
    found = re.search(r"^model name\s*:\s*(.+)$", _read(CPUINFO) or "", re.MULTILINE)
    return found[1] if found else platform.processor() or None


def _processor(cpuinfo: str) -> str | None:
    """What the CPU says it is, beside its name: `family 23, model 1, stepping 2`; None where Linux does not tell."""
    for names in (X86, ARM):
        found = [re.search(rf"^{name}\s*:\s*(\S+)$", cpuinfo, re.MULTILINE) for name in names]
        told = [f"{name.split()[-1]} {value[1]}" for name, value in zip(names, found, strict=True) if value]
        if len(told) == len(names):
            return ", ".join(told)
    return None


def _generation(machine: dict[str, Any]) -> str:
    """The processor without its stepping; empty where it is not known."""
    return ", ".join((machine.get("processor") or "").split(", ")[:2])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
