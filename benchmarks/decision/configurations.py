"""What could be deployed here: the matrix of models, runtimes, devices, threads, workers and batch policies.

What cannot be tried stays in it with the reason. What nobody could have meant (a runtime that no model was exported
for, a device that is not there) is left out, and told once.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product

from benchmarks.comparison.contenders import Contender
from benchmarks.decision.names import full_name
from benchmarks.decision.wish import DEFAULTS, USUAL, Wish, read_policy
from benchmarks.machine.gpu import no_gpu
from benchmarks.report.numbers import listed
from service.runtimes import RUNTIMES, missing

QUANTIZED = "onnx-int8"  # not a format of `python -m export`: it is made from a published artifact


@dataclass(frozen=True)
class Configuration:
    """One way to serve one model."""

    model: str      # name@version
    runtime: str
    threads: int    # of the runtime, in each worker
    workers: int    # server processes
    device: str = "cpu"
    max_batch: int = DEFAULTS.max_batch        # images of several requests in one call; 1: none are joined
    max_wait_ms: float = DEFAULTS.max_wait_ms  # how long an idle thread waits for company

    @property
    def id(self) -> str:
        """File name and key: `fm-fast@1-onnxruntime-t1-w1`, with what is not usual behind it."""
        parts = [self.model, self.runtime, f"t{self.threads}", f"w{self.workers}"]
        parts += [self.device] if self.device != "cpu" else []
        parts += [] if self.usual_policy else [f"b{self.max_batch}"]
        return "-".join(parts + ([f"{self.max_wait_ms:g}ms"] if self.max_wait_ms else []))

    @property
    def cores(self) -> int:
        """Cores it can keep busy."""
        return self.threads * self.workers

    @property
    def usual_policy(self) -> bool:
        """Whether it batches as the service does when nothing is said."""
        return (self.max_batch, self.max_wait_ms) == (DEFAULTS.max_batch, DEFAULTS.max_wait_ms)

    @property
    def environment(self) -> dict[str, str]:
        """The service's variables that make it so."""
        told = {"WEIGHBRIDGE_DEFAULT_MODEL": self.model, "WEIGHBRIDGE_RUNTIME": self.runtime,
                "WEIGHBRIDGE_DEVICE": self.device, "WEIGHBRIDGE_THREADS": str(self.threads),
                "WEIGHBRIDGE_WORKERS": str(self.workers)}
        if not self.usual_policy:
            told |= {"WEIGHBRIDGE_MAX_BATCH": str(self.max_batch), "WEIGHBRIDGE_MAX_WAIT_MS": f"{self.max_wait_ms:g}"}
        return told

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
        return full_name(asdict(self) | {"usual_policy": self.usual_policy})


def matrix(contenders: Sequence[Contender], wish: Wish, server_cores: int) -> dict[Configuration, str | None]:
    """Every configuration of a wish; the value says why it cannot be tried here, None where it can.

    `server_cores` are those left beside the generator. A runtime that no model was exported for is not named.
    """
    found: dict[Configuration, str | None] = {}
    for contender in contenders:
        for runtime in wish.runtimes or RUNTIMES:
            absent = contender.card.file(RUNTIMES[runtime].format) is None
            if not wish.runtimes and (absent or _not_installed(runtime)):
                continue
            # A runtime that was asked for by name stays in with the reason; else only where it can be.
            devices = [one for one in _devices(wish) if one in RUNTIMES[runtime].devices] or (
                RUNTIMES[runtime].devices if wish.runtimes else ())
            for device, threads, workers, policy in product(devices, wish.threads, wish.workers, wish.batching):
                one = Configuration(contender.id, runtime, threads, workers, device, *read_policy(policy))
                found[one] = _why_not(one, server_cores, absent=absent)
    return found


def left_out(contenders: Sequence[Contender], wish: Wish) -> list[str]:
    """What the matrix does not hold and somebody might look for, each with the cure."""
    found = []
    unexported = [] if wish.runtimes else [
        name for name, spec in RUNTIMES.items()
        if spec.format != QUANTIZED and all(one.card.file(spec.format) is None for one in contenders)]
    if unexported:
        formats = " ".join(dict.fromkeys(RUNTIMES[name].format for name in unexported))
        found.append(f"{listed(unexported)}: no model here is exported for it; python -m export NAME --format onnx "
                     f"{formats} makes it a candidate (torchexport is what runs a graph op by op in eager PyTorch)")
    if not wish.runtimes and all(one.card.file(QUANTIZED) is None for one in contenders):
        found.append("onnxruntime-int8: no model here is quantised; python -m export quantize NAME tries it, and "
                     "refuses where it is not quicker or less accurate")
    if not wish.runtimes:
        found += [f"{name}: {missing(name)}" for name in RUNTIMES if "cpu" in RUNTIMES[name].devices
                  and _not_installed(name)]
    if not wish.devices and (why := no_gpu()):
        found.append(f"cuda: {why}")
    if not wish.refine and (wish.threads, wish.workers, wish.batching) == ((1,), (1,), (USUAL,)):
        found.append("more threads, more workers and other batch policies: --refine tries them of the best one, --full "
                     "of all")
    return found


def _not_installed(runtime: str) -> bool:
    """Whether an optional runtime is not here: no row for each model, one sentence for all."""
    return RUNTIMES[runtime].optional and missing(runtime) is not None


def _devices(wish: Wish) -> tuple[str, ...]:
    return wish.devices or (("cpu",) if no_gpu() else ("cpu", "cuda"))


def _why_not(one: Configuration, server_cores: int, *, absent: bool) -> str | None:
    if absent:
        return f"not exported as {RUNTIMES[one.runtime].format}"
    if problem := missing(one.runtime):
        return f"{one.runtime} cannot run here: {problem}"
    if one.device == "cuda" and (why := no_gpu()):
        return why
    if one.cores > server_cores:
        return f"needs {one.cores} cores, and {server_cores} of this machine are left beside the generator"
    return None
