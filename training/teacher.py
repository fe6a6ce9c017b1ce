"""Learning from a larger network as well as from labels.

A teacher's probabilities say which classes an image resembles, which a label does not. Hinton, Vinyals, Dean:
"Distilling the Knowledge in a Neural Network", arXiv 1503.02531. The teacher answers each training image and its
mirror image once for all its students, without augmentation, and the mean of both is what is learned: the student gets
in one pass what would cost the teacher two, and training costs hardly more than without a teacher.

Student and teacher hold out the same images only when they have one seed. Otherwise the teacher has learned from images
that the student holds out, and its validation accuracy may flatter the student a little. The test split is new to both.

A teacher that was trained elsewhere teaches through its exported model: `cf-fast`, which is bundled, or any that was
imported under the name that a recipe asks for.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.architectures import build_network
from training.atomic import taking_turns, write_atomically
from training.batches import to_input, to_planes
from training.datasets import facts_of, load_split
from training.execution import Execution, answering
from training.material import Material
from training.passes import at_once
from training.places import cache_folder
from training.published import Published, Unfit, check_fit, find_published
from training.recipe import Recipe
from training.runs import Run, RunError, complete_runs, find_run
from training.transfer import moved
from training.winograd import fingerprint

PER_PASS = 500  # images, at most; the activations of wide networks are large
Tell: TypeAlias = Callable[[int, int], None]  # images answered, and images there are


class Teacher:
    """Somebody's logits for the images of one run, once `ask` has been called.

    `record` says whose they are: {"recipe", "seed", "validation_accuracy", "weights_sha256"}.
    """

    def __init__(
        self, student: Recipe, material: Material, execution: Execution, *, root: Path | None = None,
        before: Mapping[str, Any] | None = None,
    ) -> None:
        """What teaches `student` about the images of `material`: the best run of `student.teacher`, or, where there
        is none, the newest exported model of that name. RunError when there is neither, or it does not fit.

        `before` is the record of the teacher that a run began with, which may have been overtaken by another since.
        """
        try:
            self._source = find_teacher(student.teacher, student.dataset, root=root, before=before)
        except Unfit as error:
            raise RunError(f"{student.name} cannot learn from {student.teacher}: {error}") from error
        self.record = _record(self._source)
        self._student, self._material, self._execution = student, material, execution
        self._logits: Tensor | None = None

    def ask(self, tell: Tell = lambda *_: None) -> Teacher:
        """Have every image answered, or remember what was answered before; `tell` hears how many are done."""
        sha256 = self._material.sha256["train"]
        logits = _asked(self._source, self._student, sha256, self._execution, tell)
        self._logits = logits[self._material.trained_on].to(self._execution.torch_device)
        return self

    def answers(self, positions: Tensor) -> Tensor:
        """Logits (B, classes) for the images at `positions`."""
        assert self._logits is not None, "ask first"
        return self._logits[moved(positions, self._logits.device)]


def ask_ahead(student: Recipe, execution: Execution, *, root: Path | None = None, tell: Tell = lambda *_: None) -> None:
    """Have the best teacher of `student` answer every training image, on all threads of `execution`, for all its runs.

    Of several processes that need the answers one would ask, on its share of the cores, and the others wait for it.
    RunError and Unfit as for who trains.
    """
    source = find_teacher(student.teacher, student.dataset, root=root)
    execution.apply()
    _asked(source, student, load_split(student.dataset, "train").sha256, execution, tell)


def find_teacher(
    name: str, dataset: str, *, root: Path | None = None, before: Mapping[str, Any] | None = None
) -> Run | Published:
    """The teacher that `before` tells of, if it is still here; else the best of today.

    RunError when nobody of that name is here, Unfit when it cannot say anything about `dataset`.
    """
    source = _source(name, root, before)
    if isinstance(source, Published):
        source.check(dataset)
    else:
        knows = facts_of(source.recipe.dataset)
        check_fit(source.label, dataset, shape=knows.shape, classes=knows.classes)
    return source


def _source(name: str, root: Path | None, before: Mapping[str, Any] | None) -> Run | Published:
    published = find_published(name)
    if before is not None:
        here: list[Run | Published] = [*complete_runs(name, root=root), *published]
        for each in here:
            if _record(each)["weights_sha256"] == before["weights_sha256"]:
                return each
    try:
        return find_run(name, root=root)
    except RunError:
        if not published:
            raise
        return published[0]


def _record(source: Run | Published) -> dict[str, object]:
    if isinstance(source, Published):
        return source.record
    return {
        "recipe": source.recipe.name, "seed": source.seed, "validation_accuracy": source.validation_accuracy,
        "weights_sha256": source.result["weights_sha256"],
    }


def _asked(source: Run | Published, student: Recipe, sha256: str, execution: Execution, tell: Tell) -> Tensor:
    """Logits for the whole train split, from the cache where somebody has asked already: float32 (N, classes).

    Of `execution` only device and threads count: how a teacher answers does not depend on who learns from it.
    """
    if isinstance(source, Run):
        execution = answering(source.recipe, device=execution.device, threads=execution.threads)
    how: list[str] = ["onnx", "cpu"]
    if isinstance(source, Run):
        how = [execution.precision, execution.device, *([fingerprint()] if execution.winograd else [])]
    mirrored = any("flip" in name for name in student.augment)
    asked = [_record(source)["weights_sha256"], sha256, *how, mirrored]
    path = cache_folder() / "teachers" / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]}.pt"
    with taking_turns(path):
        if path.is_file():
            kept: Tensor = torch.load(path, weights_only=True)
            return kept
        images = load_split(student.dataset, "train").images
        answer = _by_file(source, execution) if isinstance(source, Published) else _by_run(source, execution)
        found = []
        each = at_once(PER_PASS, *images.shape[1:3])
        for start in range(0, len(images), each):
            seen = images[start : start + each]
            views = (seen, seen[:, :, ::-1]) if mirrored else (seen,)
            found.append(torch.stack([answer(np.ascontiguousarray(view)) for view in views]).mean(dim=0))
            tell(start + len(seen), len(images))
        logits = torch.cat(found).clamp_min(1e-8).log()
        write_atomically(path, _stored(logits))
        return logits


def _by_run(run: Run, execution: Execution) -> Callable[[NDArray[np.uint8]], Tensor]:
    """From images (N, H, W, C) to probabilities (N, classes) on the CPU."""
    network = build_network(run.recipe)
    network.load_state_dict(run.load_weights())
    network = execution.place(network.eval())

    def answer(images: NDArray[np.uint8]) -> Tensor:
        with torch.no_grad(), execution.computing():
            seen = to_input(to_planes(images, execution.torch_device), run.recipe.normalization)
            return functional.softmax(network(seen).float(), dim=1).cpu()

    return answer


def _by_file(published: Published, execution: Execution) -> Callable[[NDArray[np.uint8]], Tensor]:
    """The same, from an exported graph, which normalises by itself."""
    run = published.opened(threads=execution.threads)
    return lambda images: torch.from_numpy(run(images))


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
