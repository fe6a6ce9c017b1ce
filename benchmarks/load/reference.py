"""What the model says about each image when nothing lies in between: no HTTP, no decoder of ours, no batch policy.

The graph is run by the reference runtime on the very bodies that are sent, one small batch after the other. Under load
the served model should answer the same, image by image; where it does not, something in between has changed an answer.
That is paired, and so finds differences that two accuracies with their intervals never would.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load.audit import Finding, several
from benchmarks.load.payloads import ENCODERS, Payloads
from benchmarks.load.rows import UNKNOWN, Rows
from service.card import ModelCard
from service.comparing import mcnemar
from service.runtimes import RUNTIMES, open_model
from service.scoring import wilson

RUNTIME = "onnxruntime"
IMAGES = 2000   # at most; a share of flips is known to a few tenths of a percent then
BATCH = 8
SUSPICIOUS = 0.002  # of the images, from which on even another runtime's rounding is no excuse within one runtime


@dataclass(frozen=True)
class Reference:
    """Predicted classes by index in the split, UNKNOWN where the model was not asked."""

    predicted: NDArray[np.int16]
    runtime: str   # name and version


def reference(card: ModelCard, folder: Path, payloads: Payloads, stored: Path) -> Reference:
    """What the model in `folder` answers to the bodies, read from `stored` where that is there.

    A model without a graph for the reference runtime is run by the one it was exported for first.
    """
    if not stored.exists():
        found = _asked(card, folder, payloads)
        unfinished = stored.with_suffix(".unfinished.npz")
        np.savez_compressed(unfinished, predicted=found.predicted, runtime=np.array(found.runtime))
        unfinished.replace(stored)
    return read_reference(stored)


def read_reference(stored: Path) -> Reference:
    """Read what `reference` stored."""
    with np.load(stored, allow_pickle=False) as kept:
        return Reference(kept["predicted"], str(kept["runtime"]))


def flips(known: Reference, *answered: Rows) -> dict[str, Any]:
    """How often the answers differ from the reference, counted in images: asking twice teaches nothing new.

    An image counts as flipped when any of its answers did; `unstable` are those answered in several ways. `lost` and
    `gained` are right answers that turned wrong and wrong ones that turned right, `p_value` McNemar's exact test of
    whether there are as many of one as of the other.
    """
    image = np.concatenate([rows.image for rows in answered])
    predicted = np.concatenate([rows.predicted for rows in answered])
    label = np.concatenate([rows.label for rows in answered])
    at = np.minimum(image, len(known.predicted) - 1)
    asked = (known.predicted[at] != UNKNOWN) & (image < len(known.predicted))
    image, predicted, label = image[asked], predicted[asked], label[asked]
    said = known.predicted[image]
    flipped = np.unique(image[predicted != said])
    images = len(np.unique(image))
    pairs = np.unique(np.stack([image, predicted], axis=1), axis=0)
    lost = len(np.unique(image[(said == label) & (predicted != label)]))
    gained = len(np.unique(image[(said != label) & (predicted == label)]))
    return {
        "images": images, "flipped": len(flipped), "share": len(flipped) / images if images else None,
        "interval": wilson(len(flipped), images) if images else (0.0, 1.0),
        "lost": lost, "gained": gained, "p_value": mcnemar(lost, gained),
        "unstable": several(pairs[:, 0]), "runtime": known.runtime,
    }


def changed_answers(found: dict[str, Any], served_by: str) -> Finding | None:
    """A finding where the served model answers otherwise than its own graph does; `served_by` is a name in RUNTIMES.

    Another runtime rounds otherwise and may flip images that are close calls, which is worth knowing and no fault. The
    same runtime has no such excuse.
    """
    if not found["flipped"]:
        return None
    same = found["runtime"].startswith(served_by)
    share = (f"{found['flipped']} of {found['images']} images were answered otherwise than by {found['runtime']} "
             f"directly ({found['lost']} right answers lost, {found['gained']} gained)")
    if same and found["interval"][0] > SUSPICIOUS:
        return Finding("changed-answers", share, "compare /predict with the model's own answers: preprocessing, "
                       "batching or a cache mixes something up")
    return Finding("flips", share, "see whether the accuracy under load still is what the card says", invalid=False)


def _asked(card: ModelCard, folder: Path, payloads: Payloads) -> Reference:
    name = next((name for name in (RUNTIME, *RUNTIMES) if card.file(RUNTIMES[name].format)), None)
    if name is None:
        raise ValueError(f"{card.id}: no file that {', '.join(RUNTIMES)} could run")
    file = card.file(RUNTIMES[name].format)
    assert file is not None
    run = open_model(name, folder / file.path)
    chosen = payloads.images[:IMAGES]
    predicted = np.full(int(chosen.max(initial=-1)) + 1, UNKNOWN, np.int16)
    for start in range(0, len(chosen), BATCH):
        bodies = payloads.bodies[start:min(start + BATCH, len(chosen))]
        pixels = np.stack([decoded(body, payloads.content_type, card.input.shape) for body in bodies])
        predicted[chosen[start:start + BATCH]] = run(pixels).argmax(axis=1)
    return Reference(predicted, f"{name} {run.version}")


def decoded(body: bytes, content_type: str, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The pixels in a body, (height, width, channels), uint8: a picture of exactly this shape, or the bare pixels."""
    if content_type == ENCODERS["raw"][0]:
        return np.frombuffer(body, np.uint8).reshape(shape)
    with Image.open(io.BytesIO(body)) as picture:
        pixels = np.asarray(picture.convert("L" if shape[2] == 1 else "RGB"), np.uint8)
    return pixels.reshape(shape)
