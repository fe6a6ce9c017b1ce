"""How ONNX Runtime's session is set where that was measured to be quicker than usual, by `python -m service tune`.

What was chosen lies in a file of this user on this machine and holds for one graph, one release of ONNX Runtime, one
CPU and one number of threads; anything else is opened as usual. Knows nothing of models or cards.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import onnxruntime as ort

from service.card import sha256_of, write_atomically

STORE = Path.home() / ".cache" / "weighbridge" / "tuned.json"
QUIET = 3  # errors only; the wheel warns about missing GPUs on every CPU machine
USUAL, SPINNING = "usual", "spinning"
logger = logging.getLogger("weighbridge")


def _nothing(_: ort.SessionOptions) -> None:
    """Spinning is set where threads are: a session does not let it be set twice."""


def _flushing(options: ort.SessionOptions) -> None:
    options.add_session_config_entry("session.set_denormal_as_zero", "1")


def _no_arena(options: ort.SessionOptions) -> None:
    options.enable_cpu_mem_arena = False


def _extended(options: ort.SessionOptions) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


CHOICES: dict[str, Callable[[ort.SessionOptions], None]] = {
    SPINNING: _nothing,            # threads wait for work without giving up their core; needs more than one thread
    "extended": _extended,         # the graph keeps its layout: no blocks of channels as the CPU's vectors like them
    "no-arena": _no_arena,         # memory from the system for every call
    "no-denormals": _flushing,     # numbers next to nothing become nothing
}


def session_options(threads: int, choice: str = USUAL) -> ort.SessionOptions:
    """One session's options: threads as told, none of them spinning unless that is the choice."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(choice == SPINNING)))
    CHOICES.get(choice, _nothing)(options)
    return options


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """One graph on one machine: the choice, and what it was measured to gain. `sha256` is that of the file."""

    sha256: str
    library: str
    cpu: str
    threads: int
    choice: str
    model: str
    date: str
    measured: list[dict[str, Any]]  # per batch size: the choice's time over the usual one's, and the control's

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it holds for."""
        return self.sha256, self.library, self.cpu, self.threads


def choice_for(path: Path, threads: int, store: Path | None = None) -> str:
    """The choice for the graph at `path`, USUAL where nothing was measured to be quicker."""
    store = store or STORE
    if not store.exists():
        return USUAL
    try:
        known = read_tuned(store)
    except ValueError as error:
        logger.warning("%s; until then sessions are opened as usual", error)
        return USUAL
    wanted = key_of(path, threads)
    return next((one.choice for one in known if one.key == wanted and one.choice in CHOICES), USUAL)


def key_of(path: Path, threads: int) -> tuple[str, str, str, int]:
    """What a measurement of the graph at `path` holds for."""
    return sha256_of(path), str(ort.__version__), cpu_name(), threads


def read_tuned(store: Path) -> list[Tuned]:
    """All that was chosen; nothing where the file is missing. ValueError, with the cure, for another kind of file."""
    if not store.exists():
        return []
    try:
        return [Tuned(**entry) for entry in json.loads(store.read_bytes())]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{store}: {error}; delete it and run python -m service tune again") from error


def keep(found: Tuned, store: Path) -> None:
    """Store what was found in the place of what held before; USUAL leaves no entry."""
    others = [one for one in read_tuned(store) if one.key != found.key]
    entries = others if found.choice == USUAL else [*others, found]
    write_atomically(store, json.dumps([asdict(one) for one in entries], indent=1).encode() + b"\n")


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The CPU's model and what it can do, as one line."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
