"""Learning from a larger network as well as from labels.

A teacher's probabilities say which classes an image resembles, which a label does not. Hinton, Vinyals, Dean:
"Distilling the Knowledge in a Neural Network", arXiv 1503.02531. The teacher answers each training image and its
mirror image once for all its students, without augmentation, and the mean of both is what is learned: the student gets
in one pass what would cost the teacher two, and training costs hardly more than without a teacher.

Student and teacher hold out the same images only when they have one seed. Otherwise the teacher has learned from images
that the student holds out, and its validation accuracy may flatter the student a little. The test split is new to both.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.architectures import build_network
from training.atomic import write_atomically
from training.batches import to_input, to_planes
from training.datasets import load_split
from training.execution import Execution
from training.material import Material
from training.places import cache_folder
from training.recipe import Recipe
from training.runs import Run, complete_runs, find_run

PER_PASS = 500  # images; the activations of wide networks are large


class Teacher:
    """A trained network's logits for the images of one run.

    `record` says whose they are: {"recipe", "seed", "validation_accuracy", "weights_sha256"}.
    """

    def __init__(self, logits: Tensor, record: dict[str, object]) -> None:
        self._logits = logits
        self.record = record

    @classmethod
    def of(
        cls, student: Recipe, material: Material, execution: Execution, *, root: Path | None = None,
        before: Mapping[str, Any] | None = None,
    ) -> Teacher:
        """The best run of `student.teacher`, asked about the images of `material`; RunError when there is none yet.

        `before` is the record of the teacher that a run began with, which may have been overtaken by another since.
        """
        run = find_run(student.teacher, root=root)
        if before is not None:
            run = next((each for each in complete_runs(student.teacher, root=root)
                        if each.result["weights_sha256"] == before["weights_sha256"]), run)
        mirrored = any("flip" in name for name in student.augment)
        logits = _asked(run, student.dataset, material.sha256["train"], execution, mirrored=mirrored)
        return cls(logits[material.trained_on].to(execution.torch_device), {
            "recipe": run.recipe.name, "seed": run.seed, "validation_accuracy": run.validation_accuracy,
            "weights_sha256": run.result["weights_sha256"],
        })

    def answers(self, positions: Tensor) -> Tensor:
        """Logits (B, classes) for the images at `positions`."""
        return self._logits[positions.to(self._logits.device)]


def _asked(run: Run, dataset: str, sha256: str, execution: Execution, *, mirrored: bool) -> Tensor:
    """Logits for the whole train split, from the cache where somebody has asked already: float32 (N, classes)."""
    asked = [run.result["weights_sha256"], sha256, execution.precision, execution.device, mirrored]
    path = cache_folder() / "teachers" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}.pt"
    if path.is_file():
        kept: Tensor = torch.load(path, weights_only=True)
        return kept
    network = build_network(run.recipe)
    network.load_state_dict(run.load_weights())
    network = execution.place(network.eval())
    found = []
    with torch.no_grad(), execution.autocast():
        for images in torch.split(to_planes(load_split(dataset, "train").images, execution.torch_device), PER_PASS):
            seen = to_input(images, run.recipe.normalization)
            views = (seen, seen.flip(-1)) if mirrored else (seen,)
            said = [functional.softmax(network(view).float(), dim=1) for view in views]
            found.append(torch.stack(said).mean(dim=0).clamp_min(1e-8).log().cpu())
    logits = torch.cat(found)
    write_atomically(path, _stored(logits))
    return logits


def _stored(logits: Tensor) -> bytes:
    file = io.BytesIO()
    torch.save(logits, file)
    return file.getvalue()


def with_teacher(loss: Tensor, logits: Tensor, taught: Tensor, *, weight: float, temperature: float) -> Tensor:
    """`loss` for the share 1 - `weight`, and for the rest how far the answers are from the teacher's.

    Both sides are softened by `temperature`, whose square keeps the gradients' size; as the paper has it.
    """
    apart = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1), functional.log_softmax(taught / temperature, dim=1),
        reduction="batchmean", log_target=True,
    )
    return (1 - weight) * loss + weight * temperature**2 * apart
