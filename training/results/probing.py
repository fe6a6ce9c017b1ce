"""The step times of recipes that nobody has run here yet, measured and kept: why a row of the table is empty.

Measured is the CPU time of single steps on one core, the shortest of a few: whatever else the machine does lengthens
the wall time of a step and leaves its CPU time alone.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import provenance
from training.atomic import write_atomically
from training.batches import Batches
from training.datasets import DATASETS, load_split
from training.execution import choose, described
from training.learner import Learner
from training.recipe import Recipe
from training.results.durations import PROBES, read_probes

STEPS = 4  # the first warms up


def measure(recipe: Recipe) -> dict[str, Any]:
    """Time a few steps of `recipe`; `seconds` is what all steps of a run take on one core, without scoring.

    Raises MissingDataset.
    """
    execution = choose(recipe, device="cpu", threads=1)
    execution.apply()
    train = load_split(recipe.dataset, "train")
    count = min(len(train.labels), STEPS * recipe.batch_size)
    batches = Batches(train.images[:count], train.labels[:count], recipe, seed=0, device=execution.torch_device)
    images = DATASETS[recipe.dataset].sizes["train"] - recipe.validation
    steps = recipe.epochs * math.ceil(recipe.fraction * images / recipe.batch_size)
    learner = Learner(recipe, execution, seed=0, steps=steps)
    learner.begin_epoch(0, 0)
    order, times = batches.order(0), []
    for number in range(STEPS):
        started = time.process_time()
        learner.step(*batches.load(order, 0, number % len(batches)))
        times.append(time.process_time() - started)
    step_s = min(times[1:])
    return {
        "recipe": recipe.name,
        "fingerprint": recipe.fingerprint,
        "dataset": recipe.dataset,
        "execution": described(execution),
        "step_cpu_ms": round(1000 * step_s, 2),
        "images_per_step": min(count, recipe.batch_size),
        "steps": steps,
        "seconds": round(steps * step_s),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
    }


def keep(folder: Path, measured: Sequence[dict[str, Any]]) -> Path:
    """Add `measured` to the file in `folder`, in the place of what it had of the same recipes."""
    names = {entry["recipe"] for entry in measured}
    probes = [entry for entry in read_probes(folder) if entry["recipe"] not in names] + list(measured)
    probes.sort(key=lambda entry: str(entry["recipe"]))
    text = json.dumps({"schema": 1, "probes": probes}, indent=1)
    write_atomically(folder / PROBES, text.encode() + b"\n")
    return folder / PROBES
