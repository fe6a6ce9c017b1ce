"""The normalisation told by labelled images: every usual one is tried, and one must be better than all others.

"Better" is McNemar's exact test on the same images. Several that cannot be told apart are named and not chosen among.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.importing.asked import Asked, ImportRefusedError
from export.importing.pixels import PRESETS, Pixels, preset
from export.importing.reference import Run, answers
from export.importing.scores import kind_of_one
from export.importing.signature import Signature
from service.comparing import compare
from training.datasets import Split
from training.splits import spread

SURE = 0.05
MOST = 500  # images; a normalisation shows on fewer


def choose(
    run: Run, signature: Signature, samples: Split, classes: int, *, said: str | None = None, sigmoid: bool = False
) -> Pixels:
    """The one candidate that is significantly better than every other. ImportRefusedError when there is none.

    `said` and `sigmoid` tell what one score for two classes is, as in `scores`.
    """
    places = spread(len(samples.labels), MOST)  # a folder is read class by class
    images, labels = samples.images[places], samples.labels[places]
    raw: dict[tuple[str, bool], NDArray[np.floating]] = {}
    for name, (mean, _) in PRESETS.items():
        if len(mean) not in (1, signature.channels):
            continue
        for bgr in (False, True) if signature.channels == 3 else (False,):
            pixels = preset(name, signature.channels, bgr=bgr, why="")
            raw[name, bgr] = answers(run, images, signature, pixels)
    threshold = _threshold(np.concatenate([*raw.values()]), said, sigmoid=sigmoid)
    right = {candidate: _predicted(found, threshold) == labels for candidate, found in raw.items()}
    best = max(right, key=lambda candidate: int(right[candidate].sum()))
    equal = [candidate for candidate, hits in right.items() if candidate != best and not _worse(hits, right[best])]
    shown = ", ".join(f"{_named(candidate)} {hits.mean():.1%}" for candidate, hits in
                      sorted(right.items(), key=lambda entry: -entry[1].sum()))
    if equal or not _beats_chance(right[best], classes):
        raise ImportRefusedError(
            f"--samples: on {len(labels)} images the usual normalisations are right on {shown}; "
            f"{_named(best)} is not clearly the best" + (f", {_named(equal[0])} may be as good" if equal else "")
            + ". Say --normalize (and --bgr), or --mean and --std, or bring more images"
        )
    return preset(best[0], signature.channels, bgr=best[1],
                  why=f"{_named(best)} is the best on {len(labels)} images of --samples ({shown})")


def with_said_order(asked: Asked) -> None:
    """ImportRefusedError where --bgr was said: the trial finds the order of the channels itself."""
    if asked.bgr:
        raise ImportRefusedError("--bgr goes with --normalize; with --samples the order of the channels is tried too")


def _threshold(raw: NDArray[np.floating], said: str | None, *, sigmoid: bool) -> float:
    """Above it, a single score means the second class; one for all normalisations, whatever they make of the scores."""
    return 0.5 if raw.shape[1] == 1 and kind_of_one(raw, said, sigmoid=sigmoid) == "probabilities" else 0.0


def _predicted(raw: NDArray[np.floating], threshold: float) -> NDArray[np.int64]:
    if raw.shape[1] > 1:
        best: NDArray[np.int64] = raw.argmax(axis=1)
        return best
    return (raw[:, 0] > threshold).astype(np.int64)


def _worse(hits: NDArray[np.bool_], best: NDArray[np.bool_]) -> bool:
    found = compare(int((best & ~hits).sum()), int((hits & ~best).sum()), len(best))
    return found.difference > 0 and found.p_value < SURE


def _beats_chance(hits: NDArray[np.bool_], classes: int) -> bool:
    # Three standard deviations over guessing: below that, no normalisation makes sense of these images.
    chance = 1 / classes
    return bool(hits.mean() > chance + 3 * np.sqrt(chance * (1 - chance) / len(hits)))


def _named(candidate: tuple[str, bool]) -> str:
    return candidate[0] + (" --bgr" if candidate[1] else "")
