"""The training loop: epochs, a saved state after each, and a result at the end. Parses nothing and prints nothing.

    train(Task(recipe, seed=0, protocol="clean"), execution=choose(recipe), watcher=Silent())

A run that is interrupted anywhere starts again after its last finished epoch. Everything an epoch depends on is in the
saved state or a function of (seed, epoch, batch), so with the same version of this code and of torch, on the same kind
of machine, it ends in the same bits. A run that goes on with other convolutions of ours says so.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch

from training import checkpoint, provenance
from training.architectures import count_parameters
from training.batches import to_input
from training.execution import Execution
from training.learner import Learner
from training.material import Material
from training.own.store import read_facts
from training.passes import at_once
from training.recipe import SPREAD, Recipe
from training.result import assemble
from training.runs import Run, open_run, run_folder
from training.scoring import Score, score
from training.teacher import Teacher
from training.winograd import fingerprint
from training.winograd import native as transforms

SAMPLE = 5000  # training images, at most, that a network may look at before it begins: the first, or from all over
SHOW_EVERY_S = 0.2  # asking for the running loss waits for the device, so it is asked for rarely


@dataclass(frozen=True)
class Task:
    """What to train. `root` is where runs lie; None: as the environment says."""

    recipe: Recipe
    seed: int = 0
    protocol: str = "clean"
    root: Path | None = None

    @property
    def label(self) -> str:
        """The run in words."""
        return f"{self.recipe.name} seed {self.seed} ({self.protocol})"

    @property
    def folder(self) -> Path:
        """Where the run lies or will lie."""
        return run_folder(self.recipe, seed=self.seed, protocol=self.protocol, root=self.root)

    def failure(self, error: RuntimeError) -> str:
        """What torch could not do, for people: memory that is not there, a network that changed."""
        kind, first = type(error).__name__, str(error).partition("\n")[0]
        return f"{self.label}: {kind}: {first}; what was finished is saved, the same command goes on from there"


class Watcher(Protocol):
    """Who is told how a run goes on. Rates are trained images per second."""

    def begin(self, task: Task, execution: Execution, images: int, epochs_done: int) -> None:
        """A run starts or is resumed after `epochs_done` epochs of `images` each."""

    def note(self, text: str) -> None:
        """Something to know about the run that has just begun; the text names it."""

    def asking(self, teacher: str, done: int, total: int) -> None:
        """Before the first epoch: `teacher` has answered `done` of `total` images, which was not done before."""

    def batch(self, epoch: int, images_done: int, loss: float, accuracy: float, rate: float) -> None:
        """Running means of the current epoch, a few times per second."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is finished and saved; its line of the history."""


def train(
    task: Task,
    *,
    execution: Execution,
    watcher: Watcher,
    deadline: float = math.inf,
    probe: dict[str, Any] | None = None,
) -> Run | None:
    """Train `task` to its end and return the run; None when the next epoch would end after `deadline`.

    `deadline` is a time of time.monotonic(). One epoch is always finished, so that every call gets further. A
    complete run is returned as it is. `probe` is the record of how `execution` was found. Raises MissingDataset, and
    ValueError when the saved state does not fit.
    """
    if (complete := open_run(task.folder)) is not None:
        return complete
    with checkpoint.locked(task.folder):
        if (complete := open_run(task.folder)) is not None:  # another process finished it meanwhile
            return complete
        state = checkpoint.load_state(task.folder)
        if state and state["execution"]["device"] == execution.device:
            execution = Execution(**state["execution"])  # the same bits need the same kernels
            _refuse_lost_kernels(task, execution)
        session = _Session(task, execution, state, probe)
        if not session.run(watcher, deadline):
            return None
        session.finish()
    return open_run(task.folder)


def _refuse_lost_kernels(task: Task, execution: Execution) -> None:
    """ValueError where a run cannot go on as it began."""
    if not execution.winograd:
        return
    try:
        transforms.load()
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"{task.folder}: begun with Winograd's convolutions, and now {error}; install a C compiler with headers "
            "and OpenMP (Debian: apt install gcc libc6-dev), or delete the folder to start again without"
        ) from error


class _Session:
    """One process's work on a run, from where the saved state left it."""

    def __init__(
        self, task: Task, execution: Execution, state: dict[str, Any] | None, probe: dict[str, Any] | None
    ) -> None:
        execution.apply()
        self.task, self.execution = task, execution
        self.protocol = task.recipe.protocol(task.protocol)
        device = execution.torch_device
        self.material = Material.load(task.recipe, self.protocol, seed=task.seed, device=device)
        steps = task.recipe.epochs * len(self.material.batches)
        self.learner = Learner(task.recipe, execution, seed=task.seed, steps=steps, sample=self._sample)
        self.began = time.monotonic()  # what a teacher says is part of the run's time
        before = state["sessions"][0].get("teacher") if state else None
        self.teacher = None if not task.recipe.teacher else Teacher(
            task.recipe, self.material, execution, root=task.root, before=before
        )
        self.history: list[dict[str, Any]] = []
        self.past: list[dict[str, Any]] = []
        self.record = {
            "started": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "first_epoch": 1,
            "wall_s": 0.0,
            "execution": asdict(execution),
            "probe": probe,
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }
        if self.teacher is not None:
            self.record["teacher"] = self.teacher.record
        if execution.winograd:
            self.record["kernels"] = fingerprint()
        if state:
            self._take_up(state)
            self.record["first_epoch"] = len(self.history) + 1
            if note := self._other_kernels():
                self.record["note"] = note

    def _sample(self) -> torch.Tensor:
        images = self.material.batches.images
        places = torch.arange(min(at_once(SAMPLE, *images.shape[2:]), len(images)))
        if self.task.recipe.shape.get("whitened") == SPREAD:  # images may lie in the order of their classes
            places = torch.linspace(0, len(images) - 1, len(places)).long()
        return to_input(images[places.to(images.device)], self.task.recipe.normalization)

    def run(self, watcher: Watcher, deadline: float) -> bool:
        """Train the epochs that are left; False when time ran out before the last."""
        watcher.begin(self.task, self.execution, len(self.material.batches.labels), len(self.history))
        if "note" in self.record:
            watcher.note(f"{self.task.label}: {self.record['note']}")
        if self.teacher is not None:
            self.teacher.ask(partial(watcher.asking, self.task.recipe.teacher))
        for epoch in range(len(self.history), self.task.recipe.epochs):
            started = time.monotonic()
            self.history.append(self._epoch(epoch, watcher))
            self._save()
            watcher.epoch(self.history[-1])
            now = time.monotonic()
            if epoch + 1 < self.task.recipe.epochs and now + (now - started) > deadline:
                return False
        return True

    def finish(self) -> None:
        """Score the final weights in fp32 and write the result. Under `clean`, the test split's only use."""
        scores = {"train": self._score_final("train")}
        if self.material.held_out is not None:
            scores["held-out"] = self._score_final("held-out")
        if self.protocol.tests_on not in scores:
            scores[self.protocol.tests_on] = self._score_final(self.protocol.tests_on)
        task, weights, own = self.task, self.learner.weights(), read_facts(self.task.recipe.dataset)
        result = assemble(
            task.recipe, seed=task.seed, protocol=task.protocol, history=self.history, sessions=self._sessions(),
            scores=scores, parameters=count_parameters(self.learner.network), images=len(self.material.batches.labels),
            data_sha256=self.material.sha256, weights=weights, data=own.to_dict() if own else None,
        )
        checkpoint.finish(task.folder, weights, result)

    def _take_up(self, state: dict[str, Any]) -> None:
        if "test" in state["data_sha256"]:  # this run watches the test split: it must be the same one to its end
            self.material.scored_on("test")
        for split, found in self.material.sha256.items():
            if state["data_sha256"][split] != found:
                raise ValueError(
                    f"{self.task.folder}: begun on other data ({split} split {state['data_sha256'][split][:12]}…, now "
                    f"{found[:12]}…); delete the folder to start again"
                )
        if state["sessions"][0].get("teacher") != self.record.get("teacher"):
            raise ValueError(f"{self.task.folder}: begun with another teacher; delete the folder to start again")
        self.learner.load_state_dict(state["learner"])
        self.history, self.past = state["history"], state["sessions"]
        checkpoint.write_history(self.task.folder, self.history)  # a kill may have come between state and history

    def _other_kernels(self) -> str | None:
        """What to say where Winograd's convolutions are no longer those of the session before: a long run goes on."""
        begun = self.past[-1]
        if not (self.execution.winograd and begun["execution"].get("winograd")):
            return None  # an execution of another device, which the sessions show
        if begun.get("kernels") == self.record["kernels"]:
            return None
        which = "other code" if "kernels" in begun else "perhaps other code"
        return (f"begun on commit {begun['commit'] or 'unknown'} and continued on {self.record['commit'] or 'unknown'} "
                f"with {which} for Winograd's convolutions: no run in one go ends in these bits")

    def _epoch(self, epoch: int, watcher: Watcher) -> dict[str, Any]:
        batches, learner = self.material.batches, self.learner
        learner.begin_epoch(self.task.seed, epoch)
        order = batches.order(epoch)
        loss = torch.zeros((), device=self.execution.torch_device)
        correct = torch.zeros((), dtype=torch.int64, device=self.execution.torch_device)
        done, started, shown = 0, time.monotonic(), time.monotonic()
        lr = learner.lr
        for number in range(len(batches)):
            images, labels = batches.load(order, epoch, number)
            taught = self.teacher.answers(batches.positions(order, number)) if self.teacher else None
            batch_loss, batch_correct = learner.step(images, labels, taught)
            loss += batch_loss
            correct += batch_correct
            done += len(labels)
            if (now := time.monotonic()) - shown > SHOW_EVERY_S:
                shown = now
                watcher.batch(epoch, done, float(loss) / done, int(correct) / done, done / (now - started))
        train_loss, train_accuracy = float(loss) / done, int(correct) / done
        seconds = time.monotonic() - started
        if not math.isfinite(train_loss):
            raise ValueError(f"{self.task.recipe.name}: the loss is {train_loss} in epoch {epoch + 1}; nothing is kept")
        watched = self._score(self.protocol.watches)
        learner.schedule.observe(watched.loss)
        return {
            "epoch": epoch + 1,
            "train": {"loss": train_loss, "accuracy": train_accuracy},  # while learning, on augmented images
            "watched": {"split": self.protocol.watches, **watched.brief()},
            "lr": lr,
            "train_s": seconds,
            "images_per_s": done / seconds,
        }

    def _score(self, split: str) -> Score:
        """In the precision of training: what an epoch's line may cost."""
        chosen, network = self.material.scored_on(split), self.learner.network_to_score
        return score(
            network, chosen.images, chosen.labels, self.task.recipe.normalization, computing=self.execution.computing
        )

    def _score_final(self, split: str) -> Score:
        chosen = self.material.train if split == "train" else self.material.scored_on(split)
        return score(self.learner.network_to_score, chosen.images, chosen.labels, self.task.recipe.normalization)

    def _save(self) -> None:
        checkpoint.save_state(
            self.task.folder,
            {
                "learner": self.learner.state_dict(),
                "history": self.history,
                "sessions": self._sessions(),
                "execution": asdict(self.execution),
                "data_sha256": self.material.sha256,
            },
        )

    def _sessions(self) -> list[dict[str, Any]]:
        self.record |= {"last_epoch": len(self.history), "wall_s": time.monotonic() - self.began}
        return [*self.past, self.record]
