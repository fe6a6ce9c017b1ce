"""Scores one unit after the other with one model. What it keeps of a unit does not grow with the images' size."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from benchmarks.offline.dataset import OfflineError, Unit, read_rows
from service.calibration import Filled
from service.labelled import Uploaded
from service.problems import Problem
from service.scoring import Tally
from service.settings import Settings
from service.shelf import Opened, Shelf
from service.sources import Source
from service.trial import MISTAKES

BATCHES_AT_ONCE = 16  # whose encoded images are in memory together


@dataclass(frozen=True)
class Job:
    """What is asked of every unit. `environ` holds the service's settings as variables."""

    model: str
    runtime: str
    batch_size: int
    environ: Mapping[str, str]


@dataclass
class Scored:
    """What is kept of one unit. `mistakes` are (place, label, predicted, probability), the surest first."""

    number: int
    tally: Tally
    filled: Filled
    mistakes: list[tuple[int, int, int, float]]
    seconds: list[float]
    sizes: list[int]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; of the confusion only what is not zero."""
        cells = np.flatnonzero(self.tally.confusion)
        return {
            "number": self.number, "classes": len(self.tally.confusion),
            "confusion": [cells.tolist(), self.tally.confusion.ravel()[cells].tolist()],
            "ranked": self.tally.ranked.tolist(), "log_loss": self.tally.log_loss, "brier": self.tally.brier,
            "bins": [self.filled.counts.tolist(), self.filled.hits.tolist(), list(self.filled.sums)],
            "mistakes": self.mistakes, "seconds": self.seconds, "sizes": self.sizes,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Scored:
        """The way back; KeyError or ValueError for anything else."""
        classes, (cells, counts) = stored["classes"], stored["confusion"]
        confusion = np.zeros(classes**2, np.int64)
        confusion[cells] = counts
        tally = Tally(confusion.reshape(classes, classes), np.array(stored["ranked"], np.int64), stored["log_loss"],
                      stored["brier"])
        counts, hits, sums = stored["bins"]
        filled = Filled(np.array(counts, np.int64), np.array(hits, np.int64), tuple(sums))
        return cls(stored["number"], tally, filled, [tuple(each) for each in stored["mistakes"]], stored["seconds"],
                   stored["sizes"])


class Scorer:
    """One model, opened and checked as the server does it. Several threads may call it."""

    def __init__(self, job: Job) -> None:
        self._job, self.settings = job, Settings.read(job.environ)
        self.opened = open_model(job, self.settings)
        self.stopped = False  # nobody wants the rest
        self._warm = False

    def __call__(self, unit: Unit) -> Scored:
        """Score a row group; OfflineError names the file and the row that cannot be used."""
        size = self._job.batch_size
        classes = len(self.opened.card.classes)
        nothing = np.empty((0, classes), np.float32), np.empty(0, np.int64)
        found = Scored(unit.number, Tally.of(*nothing), Filled.of(*nothing), [], [], [])
        try:
            for first, images, labels in read_rows(unit, BATCHES_AT_ONCE * size):
                material = Uploaded(_source(unit, first, images, labels), self.opened.card, self.settings)
                for start in range(0, len(labels), size):
                    if self.stopped:
                        return found
                    self._batch(found, material, start, unit.place + first + start)
        except Problem as problem:
            where = "" if problem.field in (None, "data") else f"{problem.field}: "
            raise OfflineError(f"{where}{problem.detail}" + (f"; {problem.cure}" if problem.cure else "")) from None
        return found

    def _batch(self, found: Scored, material: Uploaded, start: int, place: int) -> None:
        images = material.images(start, start + self._job.batch_size)
        labels = material.labels[start : start + len(images)]
        if not self._warm:
            self.opened.run(images)  # the first call at a new batch size pays for its buffers
            self._warm = True
        began = time.perf_counter()
        probabilities = self.opened.run(images)
        found.seconds.append(time.perf_counter() - began)
        found.sizes.append(len(images))
        found.tally += Tally.of(probabilities, labels)
        found.filled += Filled.of(probabilities, labels)
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        wrong = np.flatnonzero(predicted != labels)
        found.mistakes = surest([*found.mistakes, *(
            (place + row, int(labels[row]), int(predicted[row]), float(confidence[row])) for row in wrong.tolist()
        )])


def open_model(job: Job, settings: Settings) -> Opened:
    """The model alone, whatever else lies under its root; OfflineError where it is not there or not right."""
    shelf = Shelf(settings)
    shelf.load(lambda name, version: job.model not in (name, f"{name}@{version}"))
    try:
        return shelf.open(shelf.find(job.model), job.runtime)
    except Problem as problem:
        raise OfflineError(f"{problem.detail}" + (f"; {problem.cure}" if problem.cure else "")) from None


def surest(mistakes: list[tuple[int, int, int, float]]) -> list[tuple[int, int, int, float]]:
    """Those the model was most sure of; of equals, the first."""
    return sorted(mistakes, key=lambda each: (-each[3], each[0]))[:MISTAKES]


def named(unit: Unit, row: int) -> str:
    """An image in words."""
    return f"{PurePosixPath(unit.file).name} row group {unit.group} row {row}"


def _source(unit: Unit, first: int, images: Any, labels: list[Any]) -> Source:
    names = [named(unit, first + row) for row in range(len(labels))]
    return Source(labels, lambda start, stop: images.slice(start, stop - start).to_pylist(), names)
