"""Runs the micro-benchmarks of this folder: pytest-benchmark in a child process, every timing kept."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.comparison.settings import Settings
from benchmarks.machine.children import ROOT, last_lines, start, stop

LIMIT = 1800  # seconds


class MicroError(RuntimeError):
    """The micro-benchmarks failed; the message ends with what pytest said."""


def run_micro(
    settings: Settings, output: Path, *, log: Path, cores: tuple[int, ...], only: str | None = None,
    device: str = "cpu",
) -> None:
    """Write pytest-benchmark's JSON file, with the raw timings, to `output`; `only` selects tests as pytest's -k."""
    unfinished = output.with_suffix(".unfinished")
    command = [
        sys.executable, "-m", "pytest", "benchmarks/micro", "-q", "-p", "no:cacheprovider",
        f"--benchmark-json={unfinished}", f"--benchmark-max-time={settings.micro_seconds}",
        "--benchmark-min-rounds=50", "--benchmark-disable-gc", "--benchmark-warmup=on",
        "--benchmark-warmup-iterations=200", "--benchmark-quiet",
        f"--weigh-root={settings.root}", f"--weigh-runtime={settings.runtime}", f"--weigh-threads={settings.threads}",
        f"--weigh-device={device}",
        *(f"--weigh-model={glob}" for glob in settings.models), *(["-k", only] if only else []),
    ]
    process = start(command, log=log, cores=cores, cwd=ROOT)
    try:
        code = process.wait(LIMIT)
    finally:
        stop(process)
    if code != 0 or not unfinished.exists():
        raise MicroError(f"the micro-benchmarks ended with code {code}; {log} ends with\n{last_lines(log)}")
    unfinished.replace(output)
