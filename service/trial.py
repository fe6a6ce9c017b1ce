"""One model against labelled images: run in batches, time every call, score. Blocks; knows nothing of HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.calibration import Filled, expected_error
from service.cells import cells_of, thumbnail
from service.comparing import compare
from service.gone import proceed
from service.labelled import Material
from service.scoring import Averages, Tally
from service.shelf import Opened
from service.version import VERSION
from service.wire import (
    Average,
    ClassScore,
    Comparison,
    EvaluateAnswer,
    Interval,
    Latency,
    Mistake,
    Percentiles,
    ReliabilityBin,
    SplitUsed,
    TopK,
)

MISTAKES = 12
Probabilities = NDArray[np.float32]


def run_trials(
    opened: Sequence[Opened], materials: Sequence[Material], *, batch_size: int, stop: threading.Event
) -> EvaluateAnswer:
    """Score one model, or two on the same images and compare them."""
    answers, right = [], []
    for each, material in zip(opened, materials, strict=True):
        outputs, seconds = [], []
        for output, took_s in batches(each, material, batch_size):
            outputs.append(output)
            seconds.append(took_s)
            proceed(stop)
        probabilities = np.concatenate(outputs)
        answers.append(report(each, material, probabilities, seconds, batch_size))
        right.append(probabilities.argmax(axis=1) == material.labels)
    return compared(answers, right)


def batches(
    opened: Opened, material: Material, batch_size: int, first: int = 0
) -> Iterator[tuple[Probabilities, float]]:
    """Probabilities of each batch from image `first` on, and the seconds in the runtime."""
    total = len(material.labels)
    warm = False
    for start in range(first, total, batch_size):
        images = material.images(start, min(start + batch_size, total))
        if not warm:
            opened.run(images)  # the first call at a new batch size pays for its buffers
            warm = True
        began = time.perf_counter()
        output = opened.run(images)
        took_s = time.perf_counter() - began
        yield output, took_s


def report(
    opened: Opened, material: Material, probabilities: Probabilities, seconds: Sequence[float], batch_size: int,
    *, cells: bool = False,
) -> EvaluateAnswer:
    """All figures of one model. `seconds` are those of the batches, in order; the last may be short. With `cells` some
    images of each cell of the confusion matrix are remembered."""
    labels, classes = material.labels, opened.card.classes
    sizes = [min(batch_size, len(labels) - place * batch_size) for place in range(len(seconds))]
    found = document(
        opened, material.used, Tally.of(probabilities, labels), Filled.of(probabilities, labels),
        mistakes=_mistakes(probabilities, material, classes), seconds=seconds, sizes=sizes, batch_size=batch_size,
    )
    return found.model_copy(update={"cells": cells_of(probabilities, material)}) if cells else found


def document(
    opened: Opened, used: SplitUsed, tally: Tally, filled: Filled, *, mistakes: list[Mistake],
    seconds: Sequence[float], sizes: Sequence[int], batch_size: int,
) -> EvaluateAnswer:
    """All figures from what was counted, in one piece or in many. `sizes` are those of the batches, like `seconds`."""
    scores, curve = tally.scores(), filled.curve()
    return EvaluateAnswer(
        model=opened.card.name,
        version=opened.card.version,
        runtime=opened.run.name,
        device=opened.run.device,
        split=used,
        made=time.time(),
        made_by=VERSION,
        count=scores.count,
        correct=scores.correct,
        accuracy=scores.accuracy,
        interval=Interval(low=scores.low, high=scores.high),
        balanced_accuracy=scores.balanced,
        top_k=[TopK(k=k, accuracy=share) for k, share in scores.top_k.items()],
        macro=_average(scores.macro),
        micro=_average(scores.micro),
        weighted=_average(scores.weighted),
        classes=[
            ClassScore(
                label=label,
                precision=scores.precision[index],
                recall=scores.recall[index],
                f1=scores.f1[index],
                support=scores.support[index],
            )
            for index, label in enumerate(opened.card.classes)
        ],
        confusion=scores.confusion.tolist(),
        log_loss=scores.log_loss,
        brier=scores.brier,
        ece=expected_error(curve),
        reliability=[
            ReliabilityBin(low=each.low, high=each.high, count=each.count, accuracy=each.accuracy,
                           confidence=each.confidence)
            for each in curve
        ],
        mistakes=mistakes,
        latency=Latency(
            batch_size=batch_size,
            batches=len(seconds),
            batch_ms=_percentiles(seconds),
            image_ms=_percentiles(each / size for each, size in zip(seconds, sizes, strict=True)),
        ),
        throughput=scores.count / sum(seconds),
    )


def compared(answers: Sequence[EvaluateAnswer], right: Sequence[NDArray[np.bool_]]) -> EvaluateAnswer:
    """The answer of the first model, with the comparison where there is a second; `right` says which images each has
    right."""
    if len(answers) == 1:
        return answers[0]
    one, other = right
    found = compare(int((one & ~other).sum()), int((other & ~one).sum()), len(one))
    comparison = Comparison(
        other=answers[1], only_first=found.only_first, only_second=found.only_second, p_value=found.p_value,
        difference=found.difference, low=found.low, high=found.high,
    )
    return answers[0].model_copy(update={"comparison": comparison})


def _mistakes(probabilities: Probabilities, material: Material, classes: Sequence[str]) -> list[Mistake]:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != material.labels)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")[:MISTAKES]]
    return [
        Mistake(
            place=place, name=material.name(place), label=classes[material.labels[place]],
            predicted=classes[predicted[place]], probability=min(1.0, float(confidence[place])),
            thumbnail=thumbnail(material.images(place, place + 1)[0]),
        )
        for place in chosen.tolist()
    ]


def _average(averages: Averages) -> Average:
    return Average(precision=averages.precision, recall=averages.recall, f1=averages.f1)


def _percentiles(seconds: Iterable[float]) -> Percentiles:
    values = np.array(list(seconds)) * 1000
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return Percentiles(p50=p50, p90=p90, p99=p99, mean=float(values.mean()))
