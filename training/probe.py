"""Which way of running a recipe is fastest on this machine: measured, not assumed.

Rules of thumb fail: on one CPU, bf16 makes one network 2.5 times as fast and slows another down, and compiling can
cost more than it saves. So every candidate takes a few real steps on some of the recipe's training images. A candidate
is chosen when it saves at least a tenth of the time of a plainer one, and when its losses follow those of plain fp32 on
the same batches. The whole record goes into the run; it is kept per recipe and machine, so that all seeds of a
recipe run alike.

    probe(recipe, choose(recipe))    -> Probe(execution, record)

Looks at training images only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch.nn.modules.dropout import _DropoutNd

from training import provenance
from training.architectures import build_network
from training.atomic import write_atomically
from training.batches import Batches
from training.datasets import load_split
from training.execution import CONVOLUTIONAL, Execution, can_be_graphed, has_bf16
from training.learner import Learner
from training.native import compiler
from training.places import cache_folder
from training.recipe import Recipe
from training.splits import spread
from training.winograd import fingerprint, has_wide_convolutions
from training.winograd.native import available

BUDGET_S = 2.5      # for all candidates together; each takes at least STEPS steps, however long they are
STEPS = 3           # compared with fp32; the first of them warms up and is not timed
REPLAYS = 5         # of a recorded step; recording alone can take a candidate's share of the budget
WORTH = 0.9         # the share of a plainer candidate's time that a better one must stay under
CLOSE = 0.05        # how far a loss may be from fp32's, relative
COMPILE_FROM_S = 1800  # compiling takes a minute, which shorter runs never earn back
OUT_OF_MEMORY = "OutOfMemoryError"  # what torch calls it


@dataclass(frozen=True)
class Probe:
    """What was chosen, and `record`: every candidate's step time and losses, ready for JSON."""

    execution: Execution
    record: dict[str, Any]


def probe(recipe: Recipe, base: Execution) -> Probe:
    """The fastest correct way to run `recipe` on the device and threads of `base`; from the cache where it was asked.

    Raises MissingDataset when there are no images to probe with.
    """
    where = {
        "machine": provenance.machine(), "versions": provenance.versions(), "threads": base.threads,
        "ways": sorted(asdict(base)),  # a release that knows another way of running asks again
        "kernels": fingerprint() if base.device == "cpu" and compiler() else None,  # and so does one with quicker ones
    }
    key = hashlib.sha256(json.dumps([where, base.device], sort_keys=True).encode()).hexdigest()[:12]
    path = cache_folder() / "probes" / f"{recipe.name}-{recipe.fingerprint}-{key}.json"
    try:
        record = json.loads(path.read_bytes())
        chosen = Execution(**record["chosen"])
        if not chosen.winograd or available():  # the compiler may be gone since
            return Probe(chosen, record)
    except (OSError, ValueError, TypeError, KeyError):  # absent, damaged or of another release: ask again
        pass
    record = _measure(recipe, base)
    if not any(OUT_OF_MEMORY in each.get("error", "") for each in record["candidates"]):  # which passes with its cause
        write_atomically(path, json.dumps(record, indent=1).encode() + b"\n")
    return Probe(Execution(**record["chosen"]), record)


def _measure(recipe: Recipe, base: Execution) -> dict[str, Any]:
    base.apply()
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # "no CUDA runtime" is no news on a CPU
    train = load_split(recipe.dataset, "train")
    places = spread(len(train.labels), STEPS * recipe.batch_size)
    batches = Batches(train.images[places], train.labels[places], recipe, seed=0, device=base.torch_device)
    plain = replace(base, precision="fp32", channels_last=False, fused=False, compiled=False, winograd=False,
                    graphed=False)
    tried = [_Trial(plain, recipe, batches)]
    best = tried[0]
    if best.error:  # nothing to compare with, and no run would get further
        raise ValueError(f"{recipe.name} does not train on {base.device} here: {best.error}")
    steps = recipe.epochs * math.ceil(len(train.labels) * recipe.fraction / recipe.batch_size)
    for stage in _stages(recipe, base.device):
        if any("compiled" in changes for changes in stage) and steps * best.step_s < COMPILE_FROM_S:
            continue
        for changes in stage:
            trial = _Trial(replace(best.execution, **changes), recipe, batches)
            trial.check(tried[0])
            tried.append(trial)
        fastest = min((trial for trial in tried if trial.close), key=lambda trial: trial.step_s, default=best)
        best = fastest if fastest.step_s < WORTH * best.step_s else best
    return {
        "chosen": asdict(best.execution),
        "images_per_step": min(len(places), recipe.batch_size),
        "speedup": tried[0].step_s / best.step_s,
        "close": CLOSE,
        "candidates": [trial.record() for trial in tried],
    }


def _stages(recipe: Recipe, device: str) -> Iterator[list[dict[str, Any]]]:
    """What to change about the best so far, in turn: format and precision together, then the rest one by one."""
    formats = [False, True] if recipe.architecture in (*CONVOLUTIONAL, "tinyvgg", "resnet18", "googlenet") else [False]
    precisions = ["fp32", "bf16"] if has_bf16(device) else ["fp32"]
    ways = [{"precision": precision, "channels_last": last} for precision in precisions for last in formats]
    if device == "cpu" and formats[1:] and compiler() and has_wide_convolutions(build_network(recipe)):
        ways.append({"precision": "fp32", "channels_last": True, "winograd": True})
    yield [{"fused": True}]
    if device == "cuda" and can_be_graphed(recipe):
        yield [{"graphed": True, "fused": True}]  # before the formats: launching hides what they gain
    yield ways[1:]
    if device == "cuda" or shutil.which("g++"):
        yield [{"compiled": True, "winograd": False}]


class _Trial:
    """One candidate's few steps, always on the same batches, from the same weights."""

    def __init__(self, execution: Execution, recipe: Recipe, batches: Batches) -> None:
        self.execution = execution
        self.close = True
        self.deviation = 0.0
        self.losses: list[float] = []
        self.step_s = math.inf
        self.error = ""
        try:
            self._take_steps(recipe, batches)
        except Exception as error:  # noqa: BLE001 - whatever a backend cannot do rules this candidate out, not the run
            self.error = f"{type(error).__name__}: {error}".partition("\n")[0]

    def _take_steps(self, recipe: Recipe, batches: Batches) -> None:
        learner = self._learner(recipe, batches)
        order = batches.order(0)
        began = time.perf_counter()
        steps = STEPS + REPLAYS * self.execution.graphed
        while len(self.losses) < steps or time.perf_counter() - began < BUDGET_S / 6:
            started = time.perf_counter()
            images, labels = batches.load(order, 0, len(self.losses) % len(batches))
            loss = float(learner.step(images, labels)[0]) / len(labels)  # float() waits for the device
            if self.losses:
                # The shortest step: whatever else the machine does can only lengthen one.
                self.step_s = min(self.step_s, time.perf_counter() - started)
            self.losses.append(loss)
        if any(isinstance(each, _DropoutNd) for each in learner.network.modules()):
            self._compare_without_dropout(recipe, batches)

    def _compare_without_dropout(self, recipe: Recipe, batches: Batches) -> None:
        """Other losses to compare: in another memory format dropout drops other numbers, which is no mistake."""
        learner = self._learner(recipe, batches)
        for each in learner.network.modules():
            if isinstance(each, _DropoutNd):
                each.p = 0.0
        order = batches.order(0)
        for number in range(STEPS):
            images, labels = batches.load(order, 0, number % len(batches))
            self.losses[number] = float(learner.step(images, labels)[0]) / len(labels)

    def _learner(self, recipe: Recipe, batches: Batches) -> Learner:
        learner = Learner(recipe, self.execution, seed=0, steps=recipe.epochs * len(batches))
        learner.begin_epoch(0, 0)
        return learner

    def check(self, plain: _Trial) -> None:
        """Compare the first losses with those of plain fp32."""
        if self.error:
            self.close = False
            return
        pairs = zip(self.losses[:STEPS], plain.losses[:STEPS], strict=True)
        self.deviation = max(abs(mine - theirs) / max(abs(theirs), 1e-6) for mine, theirs in pairs)
        self.close = self.deviation <= CLOSE  # False for a loss that is not a number, too

    def record(self) -> dict[str, Any]:
        """This candidate's line, ready for JSON."""
        return {
            **{name: value for name, value in asdict(self.execution).items() if name not in ("device", "threads")},
            "step_ms": 1000 * self.step_s if self.losses else None,
            "steps": len(self.losses),
            "losses": self.losses[:STEPS],
            "deviation": self.deviation,
            "close": self.close,
            **({"error": self.error} if self.error else {}),
        }
