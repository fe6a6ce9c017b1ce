"""Runs on disk: where they lie, and the finished ones as objects. Torch only when weights are asked for.

    <root>/<recipe>/<fingerprint>/<protocol>/seed-<k>/
        history.jsonl   one line per finished epoch
        state.pt        what the next epoch needs; gone when the run is complete
        weights.pt      the trained network's state dict
        result.json     figures and provenance; written last, so that its presence means the run is complete

A recipe that is changed gets a new fingerprint and therefore new folders: runs of two versions are never mixed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.datasets import STAND_INS
from training.own.store import is_own
from training.places import runs_folder
from training.recipe import Recipe
from training.recipes import EVERY_RECIPE

if TYPE_CHECKING:
    from torch import Tensor

RESULT_FILE = "result.json"
WEIGHTS_FILE = "weights.pt"
HISTORY_FILE = "history.jsonl"


class RunError(LookupError):
    """No complete run answers the question. The message says which command makes one."""


@dataclass(frozen=True)
class Run:
    """A complete run. `result` is its result.json: figures, execution, machine, versions, wall time, hashes."""

    folder: Path
    recipe: Recipe
    seed: int
    protocol: str
    result: dict[str, Any]

    @property
    def label(self) -> str:
        """The run in words."""
        return f"{self.recipe.name} seed {self.seed} ({self.protocol})"

    @property
    def weights(self) -> Path:
        """The file of the trained weights."""
        return self.folder / WEIGHTS_FILE

    def load_weights(self) -> dict[str, Tensor]:
        """The state dict for `build_network(run.recipe)`, on the CPU."""
        import torch

        weights: dict[str, Tensor] = torch.load(self.weights, map_location="cpu", weights_only=True)
        return weights

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """One record per epoch, in order."""
        return [json.loads(line) for line in (self.folder / HISTORY_FILE).read_text().splitlines()]

    @property
    def validation_accuracy(self) -> float:
        """Accuracy on the held-out images; -1 where the protocol holds none out."""
        validation = self.result.get("validation")
        return float(validation["accuracy"]) if validation else -1.0


def run_folder(recipe: Recipe, *, seed: int, protocol: str, root: Path | None = None) -> Path:
    """Where the run of `recipe` with `seed` under `protocol` lies or will lie."""
    return (root or runs_folder()) / recipe.name / recipe.fingerprint / protocol / f"seed-{seed}"


def open_run(folder: Path) -> Run | None:
    """The run in `folder`, or None while it is not complete."""
    try:
        result = json.loads((folder / RESULT_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunError(f"{folder / RESULT_FILE}: unreadable ({error}); delete the folder and train again") from error
    return Run(folder, Recipe.from_dict(result["recipe"]), result["seed"], result["protocol"], result)


def complete_runs(name: str, *, root: Path | None = None, protocol: str = "clean") -> list[Run]:
    """The complete runs of a recipe as it stands today, by seed.

    A recipe on a data set that has a stand-in counts runs on the original alone if there are any. For a name that
    is no recipe here, the folder may hold one version of it; of runs on own data, the version finished last counts.
    """
    base = root or runs_folder()
    if (recipe := EVERY_RECIPE.get(name)) is not None:
        versions = [recipe.fingerprint]
        if (other := STAND_INS.get(recipe.dataset)) is not None:
            versions.append(replace(recipe, dataset=other).fingerprint)
    else:
        versions = [folder.name for folder in sorted((base / name).glob("*"), key=_finished) if folder.is_dir()]
        if len(versions) > 1 and not _on_own_data(base / name):
            raise RunError(f"{base / name} holds several versions of a recipe that is not known here: {versions}")
    for version in versions:
        if runs := _runs_in(base / name / version / protocol):
            return runs
    return []


def _finished(version: Path) -> float:
    """When the last run in the folder of a version ended, negative: the newest sorts first."""
    return -max((file.stat().st_mtime for file in version.glob(f"*/seed-*/{RESULT_FILE}")), default=0.0)


def _on_own_data(family: Path) -> bool:
    """Whether every run under a name is on own data, whose content may change under one name."""
    runs = [run for folder in family.glob("*/*/seed-*") if (run := open_run(folder)) is not None]
    return all(is_own(run.recipe.dataset) for run in runs)


def runs_of(recipe: Recipe, *, protocol: str, root: Path | None = None) -> list[Run]:
    """The complete runs of exactly this recipe on exactly its data set, by seed."""
    return _runs_in((root or runs_folder()) / recipe.name / recipe.fingerprint / protocol)


def _runs_in(folder: Path) -> list[Run]:
    runs = [run for held in folder.glob("seed-*") if (run := open_run(held)) is not None]
    return sorted(runs, key=lambda run: run.seed)


def find_run(name: str, *, root: Path | None = None, seed: int | None = None, protocol: str = "clean") -> Run:
    """The complete run of recipe `name` with `seed`; without one, the run with the best validation accuracy.

    Equal accuracies, and protocols without validation images, go to the smallest seed. RunError when there is none.
    """
    runs = complete_runs(name, root=root, protocol=protocol)
    if seed is not None:
        runs = [run for run in runs if run.seed == seed]
    if not runs:
        flags = "" if protocol == "clean" else f" --protocol {protocol}"
        flags += "" if seed is None else f" --seed {seed}"
        raise RunError(
            f"no complete run of {name}{f' with seed {seed}' if seed is not None else ''} ({protocol}) under "
            f"{root or runs_folder()}; make one: python -m training {name}{flags}"
        )
    return max(runs, key=lambda run: (run.validation_accuracy, -run.seed))
