"""One model against labelled images: run in batches, time every call, score. Blocks; knows nothing of HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from service.scoring import Averages, score
from service.shelf import Opened
from service.wire import Average, ClassScore, EvaluateAnswer, Interval, Latency, Percentiles, SplitUsed


class Stopped(Exception):  # noqa: N818 - not an error: nobody wants the answer any more
    """The trial was told to stop."""


def run_trial(
    opened: Opened,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    split: SplitUsed,
    batch_size: int,
    stop: threading.Event,
) -> EvaluateAnswer:
    """Score `opened` on images (n, height, width, channels) and labels (n,); Stopped soon after `stop` is set."""
    opened.run(images[:batch_size])  # the first call at a new batch size pays for its buffers
    outputs, seconds = [], []
    for start in range(0, len(images), batch_size):
        if stop.is_set():
            raise Stopped
        began = time.perf_counter()
        outputs.append(opened.run(images[start : start + batch_size]))
        seconds.append(time.perf_counter() - began)
    sizes = [len(output) for output in outputs]
    scores = score(np.concatenate(outputs), labels)
    return EvaluateAnswer(
        model=opened.card.name,
        version=opened.card.version,
        runtime=opened.run.name,
        device=opened.run.device,
        split=split,
        count=scores.count,
        correct=scores.correct,
        accuracy=scores.accuracy,
        interval=Interval(low=scores.low, high=scores.high),
        macro=_average(scores.macro),
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
        latency=Latency(
            batch_size=batch_size,
            batches=len(seconds),
            batch_ms=_percentiles(seconds),
            image_ms=_percentiles(each / size for each, size in zip(seconds, sizes, strict=True)),
        ),
        throughput=len(images) / sum(seconds),
    )


def _average(averages: Averages) -> Average:
    return Average(precision=averages.precision, recall=averages.recall, f1=averages.f1)


def _percentiles(seconds: Iterable[float]) -> Percentiles:
    values = np.array(list(seconds)) * 1000
    p50, p90, p99 = np.percentile(values, [50, 90, 99]).tolist()
    return Percentiles(p50=p50, p90=p90, p99=p99, mean=float(values.mean()))
