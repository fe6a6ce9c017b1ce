"""What could be deployed here: models, runtimes, threads and workers, and why some of it cannot be tried."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.comparison.contenders import Contender
from benchmarks.decision.wish import Wish
from service.runtimes import RUNTIMES, missing


@dataclass(frozen=True)
class Configuration:
    """One way to serve one model on the CPU."""

    model: str      # name@version
    runtime: str
    threads: int    # of the runtime, in each worker
    workers: int    # server processes

    @property
    def id(self) -> str:
        """File name and key: `fm-fast@1-onnxruntime-t1-w1`."""
        return f"{self.model}-{self.runtime}-t{self.threads}-w{self.workers}"

    @property
    def cores(self) -> int:
        """Cores it can keep busy."""
        return self.threads * self.workers

    @property
    def environment(self) -> dict[str, str]:
        """The service's variables that make it so."""
        return {"WEIGHBRIDGE_DEFAULT_MODEL": self.model, "WEIGHBRIDGE_RUNTIME": self.runtime,
                "WEIGHBRIDGE_DEVICE": "cpu", "WEIGHBRIDGE_THREADS": str(self.threads),
                "WEIGHBRIDGE_WORKERS": str(self.workers)}

    def command(self, root: str) -> str:
        """What serves it, to be typed in the repository."""
        variables = {"WEIGHBRIDGE_MODELS": root, **self.environment}
        told = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        return f"{told} python -m bentoml serve . --port 3000"

    @property
    def path(self) -> str:
        """Where its requests go."""
        return f"/predict?model={self.model}&top_k=1&runtime={self.runtime}"

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        return f"{self.model.split('@')[0]}, {self.runtime}, {threads}{workers}"


def matrix(contenders: Sequence[Contender], wish: Wish, server_cores: int) -> dict[Configuration, str | None]:
    """Every configuration of a wish; the value says why it cannot be tried here, None where it can.

    `server_cores` are those left beside the generator. A runtime that no model was exported for is not named.
    """
    found: dict[Configuration, str | None] = {}
    for contender in contenders:
        for runtime in wish.runtimes or RUNTIMES:
            absent = contender.card.file(RUNTIMES[runtime].format) is None
            if absent and not wish.runtimes:
                continue
            for threads in wish.threads:
                for workers in wish.workers:
                    one = Configuration(contender.id, runtime, threads, workers)
                    found[one] = _why_not(one, server_cores, absent=absent)
    return found


def _why_not(one: Configuration, server_cores: int, *, absent: bool) -> str | None:
    if absent:
        return f"not exported as {RUNTIMES[one.runtime].format}"
    if problem := missing(one.runtime):
        return f"{one.runtime} cannot run here: {problem}"
    if one.cores > server_cores:
        return f"needs {one.cores} cores, and {server_cores} of this machine are left beside the generator"
    return None
