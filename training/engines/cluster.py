"""Tasks on the nodes of a Ray cluster. This process keeps all runs; a node keeps nothing.

    with Cluster(tasks, how, deadline) as cluster:
        for number, event, content in cluster.events(): ...

Ray finds the nodes and the cores, and notices when one of them is gone. Every finished epoch's state comes back here at
once, so a task that was lost with its node goes on from there on another one; nodes need not share any folder but the
data. The code they run is a copy of this process's. Which cluster: `$RAY_ADDRESS`, else the one that `ray start` began
on this machine, else one that is made of this machine's cores and ends with the command.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training import checkpoint, provenance
from training.engines.engine import Event
from training.engines.node import LAST, Files, work
from training.execution import is_small
from training.loop import Task
from training.places import data_folder, ray_address, runs_folder
from training.plan import How
from training.runs import open_run

AT_ONCE = 500      # tasks that are handed to Ray; each holds a lock, and an open file with it
ATTEMPTS = 3       # a task that is lost so often without one epoch more is given up
TICK_S = 0.5
CONNECT_S = 10.0
IMPATIENT_S = 120.0  # a process of a node needs seconds to begin, and many on a busy machine
CODE = (".py", ".c")  # what a node runs; what it compiles it needs the source of
QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "(?s)."}  # Ray's own words about a lost node are twenty lines; ours are one
CURE = "`ray status` says which cluster is there, RAY_ADDRESS=HOST:6379 which one is meant"
MISSING = ("--engine ray needs Ray, which is not installed here: `make ray` makes .venv-ray with it (the dependency "
           "group `ray`); then .venv-ray/bin/python -m training … --engine ray")


class Cluster:
    """`tasks` on as many nodes as there are; none is begun after `deadline`, a time of time.monotonic().

    ValueError where Ray is not installed, no cluster answers, or no node of it can do what is asked.
    """

    def __init__(self, tasks: Sequence[Task], how: How, deadline: float) -> None:
        if find_spec("ray") is None:
            raise ValueError(MISSING)
        self._tasks, self._how, self._deadline = tasks, how, deadline
        self._waiting = deque(range(len(tasks)))
        self._begun: set[int] = set()
        self._on: dict[Any, _Attempt] = {}
        self._fruitless: Counter[int] = Counter()  # attempts since a task's last finished epoch
        self._held = ExitStack()

    def __enter__(self) -> Cluster:
        with ExitStack() as undo:
            undo.push(self.__exit__)
            self._connect()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for attempt in self._on.values():
            attempt.lock.close()
        self._held.close()
        if (ray := sys.modules.get("ray")) is not None:  # not where no cluster was found
            ray.shutdown()  # with it go this process's tasks, wherever they are

    @property
    def waiting(self) -> int:
        """Tasks that no node has begun."""
        return len(self._tasks) - len(self._begun)

    def events(self) -> Iterator[Event]:
        """What happens, until all tasks are done or time is up."""
        import ray

        quiet_since = time.monotonic()
        yield from self._hand_out()
        while self._on:
            ready, _ = ray.wait(list(self._on), num_returns=1, timeout=TICK_S)
            if not ready:
                if any(attempt.begun for attempt in self._on.values()):
                    quiet_since = time.monotonic()
                elif time.monotonic() > self._deadline + IMPATIENT_S * any(each.always for each in self._on.values()):
                    return
                elif time.monotonic() - quiet_since > IMPATIENT_S:
                    quiet_since = math.inf
                    yield -1, "note", (self._why_nothing_begins(),)
                continue
            ready, _ = ray.wait(list(self._on), num_returns=len(self._on), timeout=0)
            for generator in ready:
                yield from self._listen(generator)
            yield from self._hand_out()

    def _connect(self) -> None:
        _check_address()
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)  # read when Ray is imported
        import ray

        staged = self._held.enter_context(tempfile.TemporaryDirectory(prefix="weighbridge-"))
        places = {"WEIGHBRIDGE_DATA": data_folder(), "WEIGHBRIDGE_RUNS": runs_folder()}  # the second for own data
        environment = {name: str(place.absolute()) for name, place in places.items() if place.exists()}
        try:
            ray.init(
                runtime_env={"working_dir": str(_code(Path(staged))), "env_vars": environment},
                logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False,
            )
        except (ConnectionError, RuntimeError) as error:
            raise ValueError(f"--engine ray: {' '.join(str(error).split())[:400]}; {CURE}") from error
        total = ray.cluster_resources()
        if self._how.device == "cuda" and not total.get("GPU"):
            raise ValueError("--device cuda: the Ray cluster has no GPU; use --device cpu")
        self._device = "cuda" if self._how.device != "cpu" and total.get("GPU") else "cpu"
        self._cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        if self._how.threads and any(self._cores) and self._how.threads > max(self._cores):
            raise ValueError(f"--threads {self._how.threads}: no node of the Ray cluster has more than "
                             f"{max(self._cores)} CPUs")

    def _threads(self, task: Task) -> int:
        """One where a second gains nothing, else all cores of the smallest node, so that each can run each task."""
        if self._how.threads or is_small(task.recipe):
            return self._how.threads or 1
        return min((cores for cores in self._cores if cores), default=1)

    def _hand_out(self) -> Iterator[Event]:
        """Give Ray what it may have; an event for a task that cannot be begun, or that somebody else finished."""
        most = self._how.jobs or AT_ONCE
        while self._waiting and len(self._on) < most:
            if time.monotonic() > self._deadline and self._begun:
                return
            number = self._waiting.popleft()
            task, lock = self._tasks[number], ExitStack()
            try:
                lock.enter_context(checkpoint.locked(task.folder))
            except ValueError as error:
                self._begun.add(number)
                yield number, "failed", (str(error),)
                continue
            if open_run(task.folder) is not None:
                lock.close()
                self._begun.add(number)
                yield number, "finished", (task.folder,)
                continue
            always = not self._begun and not self._on  # the first gets one epoch further in any case
            self._on[self._begin(number, always=always)] = _Attempt(number, lock, always)

    def _begin(self, number: int, *, always: bool) -> Any:
        import ray

        task, threads = self._tasks[number], self._threads(self._tasks[number])
        seconds = self._deadline - time.monotonic()
        settings = asdict(replace(self._how, engine="local", device=self._device, threads=threads, jobs=None))
        state = task.folder / checkpoint.STATE_FILE
        remote = ray.remote(_work).options(
            num_returns="streaming", max_retries=0, num_cpus=threads, num_gpus=int(self._device == "cuda"),
            scheduling_strategy="SPREAD", name=task.label,
        )
        return remote.remote(
            task.recipe.to_dict(), task.seed, task.protocol, settings, state.read_bytes() if state.exists() else None,
            time.time() + seconds, always,
        )

    def _listen(self, generator: Any) -> Iterator[Event]:
        """One event of one attempt."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        attempt = self._on[generator]
        number, task = attempt.number, self._tasks[attempt.number]
        try:
            event, content, files = ray.get(next(generator))
        except (RayTaskError, StopIteration) as error:
            cause = getattr(error, "cause", None) or error
            yield from self._end(generator, "failed", f"{task.label}: {type(cause).__name__}: {cause}")
        except RayError as error:
            yield from self._lost(generator, error)
        else:
            attempt.begun = True
            self._begun.add(number)
            checkpoint.adopt(task.folder, files)
            if event == "epoch":
                self._fruitless[number] = 0
                attempt.epochs = content[0]["epoch"]
            elif event == "begin":
                attempt.epochs = content[2]
            if event not in LAST:
                yield number, event, content
            else:
                yield from self._end(generator, event, *((task.folder,) if event == "finished" else content))

    def _lost(self, generator: Any, error: Exception) -> Iterator[Event]:
        """Begin again where nothing but the node or its process is to blame."""
        from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError

        attempt = self._on[generator]
        number, label = attempt.number, self._tasks[attempt.number].label
        why = ("its node ran out of memory" if isinstance(error, OutOfMemoryError)
               else "its process died" if isinstance(error, WorkerCrashedError) else "its node was lost")
        self._fruitless[number] += 1
        if not isinstance(error, NodeDiedError | ObjectLostError | OutOfMemoryError | WorkerCrashedError):
            why = " ".join(str(error).split())[:400]  # the whole cluster is gone, or cannot do this at all
        elif self._fruitless[number] < ATTEMPTS:
            saved = f"the end of epoch {attempt.epochs}" if attempt.epochs else "the start, for no epoch was finished"
            yield number, "lost", (f"{label}: {why}; it is run again from {saved}",)
            del self._on[generator]
            again = self._begin(number, always=attempt.always)
            self._on[again] = _Attempt(number, attempt.lock, attempt.always, epochs=attempt.epochs)
            return
        else:
            why += f", {ATTEMPTS} times without one epoch more"
        yield from self._end(generator, "failed", f"{label}: {why}; the last finished epoch is saved, the same command "
                             "goes on from there")

    def _end(self, generator: Any, event: str, *content: Any) -> Iterator[Event]:
        attempt = self._on.pop(generator)
        attempt.lock.close()
        self._begun.add(attempt.number)
        yield attempt.number, event, content

    def _why_nothing_begins(self) -> str:
        import ray

        needed = min(self._threads(self._tasks[attempt.number]) for attempt in self._on.values())
        nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        what = f"{needed} CPU{'s' * (needed > 1)}{' and a GPU' if self._device == 'cuda' else ''}"
        if max(nodes, default=0) < needed:
            return f"waiting for a node: none of the Ray cluster's {len(nodes)} has {what}, which a task needs"
        free = ray.available_resources().get("CPU", 0)
        return f"waiting for {what}: of the Ray cluster's {sum(nodes)} CPUs {free:g} are free"


@dataclass
class _Attempt:
    """One try at one task. `epochs` are those that are saved here."""

    number: int
    lock: ExitStack
    always: bool  # whatever the time
    begun: bool = False
    epochs: int = 0


def _work(
    recipe: dict[str, Any], seed: int, protocol: str, settings: dict[str, Any], state: bytes | None, ends: float,
    always: bool,
) -> Iterator[tuple[str, tuple[Any, ...], Files]]:
    """On the node, perhaps long after it was handed out: a task whose time is up is not begun, but the first."""
    if time.time() > ends and not always:
        yield "unfinished", (), {}
    else:
        yield from work(recipe, seed, protocol, settings, state, ends)


def _check_address() -> None:
    """ValueError at once where nothing listens; Ray itself tries for minutes."""
    address = ray_address()
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:
        return  # a word that Ray knows, or none
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        raise ValueError(f"--engine ray: no cluster answers at RAY_ADDRESS={address} ({error}); {CURE}") from error


def _code(folder: Path) -> Path:
    """A copy of this package for the nodes, and which commit it is of."""
    here = Path(__file__).parents[1]
    shutil.copytree(here, folder / here.name, ignore=_but_code)
    if (commit := provenance.commit()) is not None:
        (folder / provenance.COMMIT_FILE).write_text(commit)
    return folder


def _but_code(folder: str, names: list[str]) -> list[str]:
    return [name for name in names
            if name == "__pycache__" or not (name.endswith(CODE) or (Path(folder) / name).is_dir())]
