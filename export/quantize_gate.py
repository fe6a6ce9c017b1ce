"""Whether an int8 graph may be served beside the float32 one: as accurate on images the run held out, and quicker here.

Accuracy is asked pairwise: on the same images, how many answers turned wrong and how many right. The graph is refused
unless the 95 % interval of the difference rules out a loss of more than MOST_LOSS; "no significant difference" would
let everything through that was looked at too briefly. The test split is no part of it.

Speed is asked in turns within one process, for one image and for the batch that float32 is quickest at per image: int8
must be clearly quicker at one of them and clearly slower at none. The same float32 graph in a second session is the
control; where that differs from itself, nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.comparing import compare
from service.runtimes import Runtime
from service.runtimes.turns import Ratio, ratio, take_turns
from training.passes import at_once

MOST_LOSS = 0.005  # of the accuracy, that the interval must rule out
LEAST_GAIN = 0.97  # of float32's time, at most, for at least one batch size
UNREST = 0.05      # by which the control may differ from itself
ATTEMPTS = 3       # at a moment when it does not
BATCHES = (2, 4, 8, 16, 32)
ANSWER_BATCH = 250  # images in one call, at most


class QuantizeRefusedError(ValueError):
    """The int8 graph may not be served; the message says why and by how much."""


@dataclass(frozen=True)
class Accuracies:
    """On `images` held-out images: both accuracies, the answers that turned wrong and right, McNemar's p, and the
    difference, int8 less float32, with its 95 % interval."""

    images: int
    float32: float
    int8: float
    lost: int
    gained: int
    p_value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Speed:
    """At one batch size: microseconds of float32 (the median), int8's time over float32's, and the control's."""

    batch: int
    float32_us: float
    int8: Ratio
    control: Ratio

    def to_dict(self) -> dict[str, Any]:
        """Ready for a record."""
        return {"batch": self.batch, "float32_us": round(self.float32_us, 1), "int8": self.int8.to_dict(),
                "control": self.control.to_dict()}


Clock = Callable[[Runtime, Runtime, Runtime, NDArray[np.uint8]], list[Speed]]


def compare_accuracy(
    float32: NDArray[np.int64], int8: NDArray[np.int64], labels: NDArray[np.int64]
) -> Accuracies:
    """Predicted classes of both on the same images, against the true ones."""
    right, now = float32 == labels, int8 == labels
    lost, gained = int((right & ~now).sum()), int((now & ~right).sum())
    found = compare(gained, lost, len(labels))
    return Accuracies(
        images=len(labels), float32=float(right.mean()), int8=float(now.mean()), lost=lost, gained=gained,
        p_value=found.p_value, difference=found.difference, low=found.low, high=found.high,
    )


def refuse_less_accurate(found: Accuracies) -> None:
    """Raise QuantizeRefusedError unless the interval rules out a loss of more than MOST_LOSS."""
    if found.low < -MOST_LOSS:
        raise QuantizeRefusedError(
            f"accuracy goes from {found.float32:.2%} to {found.int8:.2%} on {found.images:,} held-out images "
            f"({found.lost} answers lost, {found.gained} gained, p = {found.p_value:.2g}); a loss of "
            f"{-100 * found.low:.2f} points is possible, at most {100 * MOST_LOSS:.1f} may be"
        )


def refuse_slower(found: list[Speed]) -> None:
    """Raise QuantizeRefusedError unless int8 is clearly quicker at a batch size and clearly slower at none."""
    restless = [each for each in found if abs(each.control.at - 1) > UNREST]
    if restless:
        raise QuantizeRefusedError(
            f"this machine is too restless to say: float32 beside itself took {restless[0].control.at:.2f} of its own "
            f"time at {_images(restless[0].batch)}; try again when it is quiet"
        )
    if slower := [each for each in found if each.int8.low > 1]:
        raise QuantizeRefusedError(f"int8 is slower: {_told(slower[0])}")
    if all(each.int8.high > LEAST_GAIN for each in found):
        raise QuantizeRefusedError(f"int8 is not clearly quicker: {'; '.join(map(_told, found))}")


def time_both(float32: Runtime, control: Runtime, int8: Runtime, images: NDArray[np.uint8]) -> list[Speed]:
    """Speeds for one image, and for the batch that float32 is quickest at per image."""
    curve = take_turns({str(size): partial(float32, images[:size]) for size in BATCHES}, rounds=9)
    best = min(BATCHES, key=lambda size: float(np.median(curve[str(size)])) / size)
    return [_time(float32, control, int8, images[:size]) for size in (1, best)]


def _time(float32: Runtime, control: Runtime, int8: Runtime, images: NDArray[np.uint8]) -> Speed:
    runs = {"float32": float32, "control": control, "int8": int8}
    for _ in range(ATTEMPTS):
        taken = take_turns({name: partial(run, images) for name, run in runs.items()})
        if abs(ratio(taken["control"], taken["float32"]).at - 1) <= UNREST:
            break
    return Speed(len(images), 1e6 * float(np.median(taken["float32"])), ratio(taken["int8"], taken["float32"]),
                 ratio(taken["control"], taken["float32"]))


def answers(run: Runtime, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Predicted classes (n,)."""
    each = at_once(ANSWER_BATCH, *images.shape[1:3])
    parts = [run(images[start:start + each]).argmax(axis=1) for start in range(0, len(images), each)]
    return np.concatenate(parts)


def plain(found: Accuracies) -> dict[str, Any]:
    """Ready for a record."""
    return asdict(found)


def _told(each: Speed) -> str:
    return (f"{each.int8.at:.2f} [{each.int8.low:.2f}, {each.int8.high:.2f}] of float32's time at "
            f"{_images(each.batch)}")


def _images(count: int) -> str:
    return "one image" if count == 1 else f"{count} images"
