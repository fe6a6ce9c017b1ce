"""Who scores the units. Both give what is done as it comes; the order says nothing."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.machine.children import ROOT
from benchmarks.offline.dataset import OfflineError, Unit
from benchmarks.offline.scorer import Job, Scored, Scorer
from service.cpu import usable_cores
from service.settings import PREFIX

MODELS = PREFIX + "MODELS"
MOST_BLOCKS = 4096  # Ray Data's unit of scheduling; with more units than this, a block holds several
QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "(?s).", "RAY_BACKEND_LOG_LEVEL": "fatal"}  # what matters is told by us
CONNECT_S = 10.0
CURE = "`ray status` says which cluster is there, RAY_ADDRESS=HOST:6379 which one is meant"
MISSING = ("--engine ray needs Ray, which is not installed here: `make ray` makes .venv-ray with it (the dependency "
           "group `ray`); then .venv-ray/bin/python -m benchmarks.offline … --engine ray")


def on_threads(units: Sequence[Unit], job: Job, folder: Path) -> Iterator[Scored]:  # noqa: ARG001 - the models lie here
    """One thread per core of this machine; decoding and the runtime let go of the interpreter's lock."""
    scorer, waiting, workers = Scorer(job), list(units)[::-1], usable_cores()
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(scorer, waiting.pop()) for _ in range(min(2 * workers, len(waiting)))}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    if waiting:
                        running.add(pool.submit(scorer, waiting.pop()))
        finally:
            scorer.stopped = True
            pool.shutdown(wait=False, cancel_futures=True)


def on_ray(units: Sequence[Unit], job: Job, folder: Path) -> Iterator[Scored]:
    """Ray Data over a pool of actors on all nodes, each with the model; `folder` is the model's.

    Nodes get the code and the model from here, and read the data themselves: it must have the same address everywhere.
    What a lost node was at is done again elsewhere.
    """
    if find_spec("ray") is None:
        raise OfflineError(MISSING)
    _check_address(os.environ.get("RAY_ADDRESS", ""))
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)  # read when Ray is imported
    import ray

    with tempfile.TemporaryDirectory(prefix="weighbridge-") as staged:
        _pack(Path(staged), folder)
        try:
            ray.init(runtime_env={"working_dir": staged}, logging_level=logging.ERROR, log_to_driver=False,
                     include_dashboard=False)
        except (ConnectionError, RuntimeError) as error:
            raise OfflineError(f"--engine ray: {' '.join(str(error).split())[:400]}; {CURE}") from error
        try:
            yield from _stream(ray, units, job)
        finally:
            ray.shutdown()


def _check_address(address: str) -> None:
    """OfflineError at once where nothing listens; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:
        return  # a word that Ray knows, or none
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        raise OfflineError(f"--engine ray: no cluster answers at RAY_ADDRESS={address} ({error}); {CURE}") from error


def _stream(ray: Any, units: Sequence[Unit], job: Job) -> Iterator[Scored]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    threads = int(job.environ.get(PREFIX + "THREADS", "1"))
    actors = max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
    rows = ray.data.from_items(
        [{"unit": json.dumps(asdict(unit))} for unit in units], override_num_blocks=min(len(units), MOST_BLOCKS)
    ).map(
        _OnNode, fn_constructor_args=(asdict(job),), num_cpus=threads,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(actors, len(units))),
    )
    for row in rows.iter_rows():
        found = json.loads(row["scored"])
        if "problem" in found:
            raise OfflineError(found["problem"])
        yield Scored.from_dict(found)


class _OnNode:
    """A scorer in an actor. What is wrong with the data is an answer: to do it again would not mend it."""

    def __init__(self, job: dict[str, Any]) -> None:
        environ = {**job["environ"], MODELS: str(Path("models").absolute())}
        self._scorer = Scorer(replace(Job(**job), environ=environ))

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        try:
            found = self._scorer(Unit(**json.loads(row["unit"]))).to_dict()
        except OfflineError as error:
            found = {"problem": str(error)}
        return {"scored": json.dumps(found)}


def _pack(to: Path, model: Path) -> None:
    """Code and model as the nodes need them."""
    for name in ("service", "benchmarks"):
        shutil.copytree(ROOT / name, to / name, ignore=_but_python)
    shutil.copytree(model, to / "models" / model.parent.name / model.name)


def _but_python(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("__pycache__", "runs", "results")
            or not (name.endswith(".py") or (Path(folder) / name).is_dir())]


ENGINES: dict[str, Callable[[Sequence[Unit], Job, Path], Iterator[Scored]]] = {"local": on_threads, "ray": on_ray}
