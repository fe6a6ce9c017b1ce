"""Runs the micro-benchmarks of this folder: pytest-benchmark in a child process, every timing kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.comparison.settings import Settings
from benchmarks.machine.children import ROOT, last_lines, start, stop
from benchmarks.micro.timings import pooled
from service.card import write_atomically

LIMIT = 1800  # seconds, of one child
LEAST_ROUNDS = 50


class MicroError(RuntimeError):
    """The micro-benchmarks failed; the message ends with what pytest said."""


def run_micro(
    settings: Settings, output: Path, *, log: Path, cores: tuple[int, ...], only: str | None = None,
    device: str = "cpu", turns: int = 1,
) -> None:
    """Write pytest-benchmark's JSON file, with the raw timings, to `output`; `only` selects tests as pytest's -k.

    With more than one of `turns`, that many children one after the other share the rounds of every benchmark, and their
    timings are pooled: a slow minute of the machine then falls on all of them alike, instead of on whose turn it was.
    """
    parts = [output.with_suffix(f".{turn}.unfinished") for turn in range(turns)]
    command = [
        sys.executable, "-m", "pytest", "benchmarks/micro", "-q", "-p", "no:cacheprovider",
        f"--benchmark-max-time={settings.micro_seconds / turns}", f"--benchmark-min-rounds={-(-LEAST_ROUNDS // turns)}",
        "--benchmark-disable-gc", "--benchmark-warmup=on", "--benchmark-warmup-iterations=200", "--benchmark-quiet",
        f"--weigh-root={settings.root}", f"--weigh-runtime={settings.runtime}", f"--weigh-threads={settings.threads}",
        f"--weigh-device={device}",
        *(f"--weigh-model={glob}" for glob in settings.models), *(["-k", only] if only else []),
    ]
    for part in parts:
        process = start([*command, f"--benchmark-json={part}"], log=log, cores=cores, cwd=ROOT)
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise MicroError(f"the micro-benchmarks took longer than {LIMIT / 60:g} minutes; see {log}") from None
        finally:
            stop(process)
        if code != 0 or not part.exists():
            raise MicroError(f"the micro-benchmarks ended with code {code}; {log} ends with\n{last_lines(log)}")
    write_atomically(output, json.dumps(pooled([json.loads(part.read_text()) for part in parts])).encode())
    for part in parts:
        part.unlink()
