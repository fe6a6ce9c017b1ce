"""Learning from a larger network as well as from labels.

A teacher's probabilities say which classes an image resembles, which a label does not. Hinton, Vinyals, Dean:
"Distilling the Knowledge in a Neural Network", arXiv 1503.02531. The teacher answers each training image and its mirror
image once, without augmentation, and the mean of both is what is learned: the student gets in one pass what would cost
the teacher two, and training costs hardly more than without a teacher.

Student and teacher hold out the same images only when they have one seed. Otherwise the teacher has learned from images
that the student holds out, and its validation accuracy may flatter the student a little. The test split is new to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from training.architectures import build_network
from training.batches import Batches, to_input
from training.recipe import Recipe
from training.runs import complete_runs, find_run

PER_PASS = 500  # images; the activations of wide networks are large


class Teacher:
    """A trained network's logits for the images of one run, made at the start of each session.

    `record` says whose they are: {"recipe", "seed", "validation_accuracy", "weights_sha256"}.
    """

    def __init__(self, logits: Tensor, record: dict[str, object]) -> None:
        self._logits = logits
        self.record = record

    @classmethod
    def of(
        cls, student: Recipe, batches: Batches, *, root: Path | None = None, before: Mapping[str, Any] | None = None
    ) -> Teacher:
        """The best run of `student.teacher`, asked about all images of `batches`; RunError when there is none yet.

        `before` is the record of the teacher that a run began with, which may have been overtaken by another since.
        """
        run = find_run(student.teacher, root=root)
        if before is not None:
            run = next((each for each in complete_runs(student.teacher, root=root)
                        if each.result["weights_sha256"] == before["weights_sha256"]), run)
        network = build_network(run.recipe)
        network.load_state_dict(run.load_weights())
        network = network.eval().to(batches.images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        mirrored = any("flip" in name for name in student.augment)
        found = []
        with torch.no_grad():
            for images in torch.split(batches.images, PER_PASS):
                seen = to_input(images, run.recipe.normalization).contiguous(memory_format=torch.channels_last)
                said = functional.softmax(network(seen), dim=1)
                if mirrored:
                    said = (said + functional.softmax(network(seen.flip(-1)), dim=1)) / 2
                found.append(said.clamp_min(1e-8).log())
        return cls(torch.cat(found), {
            "recipe": run.recipe.name, "seed": run.seed, "validation_accuracy": run.validation_accuracy,
            "weights_sha256": run.result["weights_sha256"],
        })

    def answers(self, positions: Tensor) -> Tensor:
        """Logits (B, classes) for the images at `positions`."""
        return self._logits[positions.to(self._logits.device)]


def with_teacher(loss: Tensor, logits: Tensor, taught: Tensor, *, weight: float, temperature: float) -> Tensor:
    """`loss` for the share 1 - `weight`, and for the rest how far the answers are from the teacher's.

    Both sides are softened by `temperature`, whose square keeps the gradients' size; as the paper has it.
    """
    apart = functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1), functional.log_softmax(taught / temperature, dim=1),
        reduction="batchmean", log_target=True,
    )
    return (1 - weight) * loss + weight * temperature**2 * apart
