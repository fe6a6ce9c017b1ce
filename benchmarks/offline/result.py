"""What the units come to: the document that /evaluate gives for the same images."""

from __future__ import annotations

from array import array
from typing import Any

from benchmarks.offline.dataset import Dataset, OfflineError, Unit, read_rows
from benchmarks.offline.scorer import BATCHES_AT_ONCE, Scored, Scorer, named, surest
from service.cells import thumbnail
from service.ingress import to_pixels
from service.trial import document
from service.wire import EvaluateAnswer, Mistake, SplitUsed


class Merged:
    """What was done so far. Memory: a few numbers per class pair, and sixteen bytes per batch for its time."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._whole: Scored | None = None
        self._seconds, self._sizes = array("d"), array("q")
        self.done: set[int] = set()
        self.images = 0

    def add(self, scored: Scored) -> bool:
        """Count a unit; False for one that was counted before."""
        if scored.number in self.done or scored.number >= len(self._dataset.units):
            return False
        self.done.add(scored.number)
        self.images += sum(scored.sizes)
        self._seconds.extend(scored.seconds)
        self._sizes.extend(scored.sizes)
        if self._whole is None:
            self._whole = scored
        else:
            self._whole.tally += scored.tally
            self._whole.filled += scored.filled
            self._whole.mistakes = surest([*self._whole.mistakes, *scored.mistakes])
        return True

    def answer(self, scorer: Scorer, batch_size: int) -> EvaluateAnswer:
        """The document; OfflineError unless every image was counted exactly once."""
        whole, dataset = self._whole, self._dataset
        if whole is None or self.images != dataset.count or int(whole.tally.confusion.sum()) != dataset.count:
            raise OfflineError(f"{self.images} of {dataset.count} images were scored; the same command goes on")
        mistakes = [self._mistake(scorer, *each) for each in whole.mistakes]
        return document(scorer.opened, SplitUsed(name=dataset.name), whole.tally, whole.filled, mistakes=mistakes,
                        seconds=self._seconds, sizes=self._sizes, batch_size=batch_size)

    def _mistake(self, scorer: Scorer, place: int, label: int, predicted: int, probability: float) -> Mistake:
        unit = next(each for each in self._dataset.units if each.place <= place < each.place + each.rows)
        card, settings = scorer.opened.card, scorer.settings
        pixels = to_pixels(_image(unit, place - unit.place), card.input, settings, settings.resize).pixels
        return Mistake(
            place=place, name=named(unit, place - unit.place), label=card.classes[label],
            predicted=card.classes[predicted], probability=min(1.0, probability), thumbnail=thumbnail(pixels),
        )


def _image(unit: Unit, row: int) -> Any:
    for first, images, labels in read_rows(unit, BATCHES_AT_ONCE):
        if row < first + len(labels):
            return images[row - first].as_py()
    raise OfflineError(f"{unit.file} has changed while it was read")
