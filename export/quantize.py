"""From a published artifact to one that carries its graph in int8 as well, where that was measured to pay.

    python -m export quantize fm-fast               the newest fm-fast of artifacts/ or models/, into artifacts/
    python -m export quantize 'fm*' --publish       and keep the records in export/results/int8, for the documents

The card says what the network was trained on and which images its run held out: ranges are learned on images it was
trained on, the gates ask on those held out, and the test split is scored once, at the end, for the card. Each plan of
`quantize_graph.PLANS` is tried; the quickest that is accurate enough becomes the next version: everything the artifact
had, and `model.int8.onnx` with golden vectors and accuracy of its own, served as runtime `onnxruntime-int8`. What is
refused leaves a record with the reason, `quantized/<name>-<version>.json`, and nothing else.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.accuracy import measure_accuracy
from export.provenance import made_by
from export.publish import Published
from export.quantize_gate import (
    Accuracies,
    Clock,
    QuantizeRefusedError,
    Speed,
    answers,
    compare_accuracy,
    plain,
    refuse_less_accurate,
    refuse_slower,
    time_both,
)
from export.quantize_graph import PLANS, quantize
from export.staging import newest_version
from service.card import (
    Format,
    Golden,
    ModelCard,
    ModelFile,
    is_version_folder,
    sha256_of,
    verify_files,
    write_atomically,
    write_card,
)
from service.runtimes import Runtime, open_model
from service.shelf import check_golden
from training.datasets import load_split
from training.provenance import machine
from training.recipe import Recipe
from training.splits import carve_for

FORMAT: Format = "onnx-int8"
FILE = "model.int8.onnx"
GOLDEN_FILE = "golden.int8.npz"
# Another CPU may round an activation to the next of 256 steps, and the answer moves with it.
GOLDEN_TOLERANCE = 0.03
CALIBRATED_ON = 512  # images
RECORDS = "quantized"
RESULTS = Path(__file__).parent / "results" / "int8"


@dataclass(frozen=True)
class Tried:
    """One plan: its file, what it answers and how quick it is; `speed` is empty where it was not accurate enough."""

    plan: str
    path: Path
    accuracy: Accuracies
    speed: list[Speed]
    refused: str | None

    def to_dict(self) -> dict[str, Any]:
        """Ready for a record."""
        return {"plan": self.plan, "size_bytes": self.path.stat().st_size, "accuracy": plain(self.accuracy),
                "speed": [each.to_dict() for each in self.speed], "refused": self.refused}


def quantize_artifact(
    name: str, root: Path, sources: Sequence[Path], *, clock: Clock = time_both, results: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Publish the newest `name` of `sources` into `root` with an int8 graph beside its others.

    `clock` times float32 against int8. Raises QuantizeRefusedError; then only the record says what was tried. With
    `results` the record is kept there as well. ValueError for a name that is not there.
    """
    folder, card = _find(name, sources)
    if card.file(FORMAT) is not None:
        return Published(folder=folder, card=card, existed=True)
    used, held = _images_of(card)
    with tempfile.TemporaryDirectory(prefix="weighbridge-quantize-") as place:
        tried = [_try(plan, folder, card, Path(place), used, held, clock, say) for plan in PLANS]
        passed = [each for each in tried if each.refused is None]
        best = min(passed, key=lambda each: each.speed[-1].int8.at) if passed else None
        record = _record(card, len(held[0]), tried, best)
        # A record of what was chosen has an artifact behind it.
        published = None if best is None else _publish(folder, card, best, root, say)
        for kept in (root / RECORDS / f"{card.name}-{card.version}.json", *_committed(results, card)):
            write_atomically(kept, json.dumps(record, indent=1).encode() + b"\n")
        if published is None:
            reasons = list(dict.fromkeys(f"{each.plan}: {each.refused}" for each in tried))
            raise QuantizeRefusedError(f"{card.id} stays float32. " + ". ".join(reasons))
        return published


def names_in(patterns: Sequence[str], sources: Sequence[Path]) -> list[str]:
    """Names of artifacts under `sources` that match any pattern; one that matches none is kept, to be reported."""
    there = sorted({path.name for root in sources for path in root.glob("*") if newest_version(path) is not None})
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = [name for name in there if Path(name).match(pattern)]
        found.update(dict.fromkeys(matching or [pattern]))
    return list(found)


def _find(name: str, sources: Sequence[Path]) -> tuple[Path, ModelCard]:
    for root in sources:
        if (newest := newest_version(root / name)) is not None:
            verify_files(*newest)
            return newest
    raise ValueError(f"no artifact {name} under {', '.join(map(str, sources))}; python -m export {name} makes one")


def _images_of(card: ModelCard) -> tuple[NDArray[np.uint8], tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Images to calibrate on, and those to validate on with their labels; the run of the card saw only the former."""
    if not card.recipe:
        raise QuantizeRefusedError(f"{card.id} says nothing of its training, so no images are known to be held out")
    recipe = Recipe.from_dict(card.recipe)
    seed, protocol = int(card.training["seed"]), recipe.protocol(card.training["protocol"])
    if protocol.held_out == 0:
        raise QuantizeRefusedError(f"{card.id} was trained on the whole train split ({card.training['protocol']} "
                                   "protocol); export a run of the clean protocol, which holds images out")
    train = load_split(recipe.dataset, "train")
    used, held = carve_for(recipe, protocol, train.labels, seed=seed)
    chosen = np.random.default_rng(seed).permutation(used)[:CALIBRATED_ON]
    return train.images[chosen], (train.images[held], train.labels[held])


def _try(
    plan: str, folder: Path, card: ModelCard, place: Path, used: NDArray[np.uint8],
    held: tuple[NDArray[np.uint8], NDArray[np.int64]], clock: Clock, say: Callable[[str], None],
) -> Tried:
    onnx = _onnx(card)
    path = place / f"{list(PLANS).index(plan)}.onnx"
    quantize(folder / onnx.path, path, used, plan)
    float32, control = (open_model("onnxruntime", folder / onnx.path) for _ in range(2))
    int8 = open_model("onnxruntime-int8", path)
    images, labels = held
    accuracy = compare_accuracy(answers(float32, images), answers(int8, images), labels)
    speed: list[Speed] = []
    try:
        refuse_less_accurate(accuracy)
        speed = clock(float32, control, int8, images)
        refuse_slower(speed)
    except QuantizeRefusedError as error:
        say(f"{plan}: refused: {error}")
        return Tried(plan, path, accuracy, speed, str(error))
    say(f"{plan}: {accuracy.difference:+.2%} [{accuracy.low:+.2%}, {accuracy.high:+.2%}] accuracy on "
        f"{accuracy.images:,} held-out images, " + ", ".join(
            f"{each.int8.at:.2f} of the time at {each.batch}" for each in speed))
    return Tried(plan, path, accuracy, speed, None)


def _onnx(card: ModelCard) -> ModelFile:
    file = card.file("onnx")
    if file is None:
        raise QuantizeRefusedError(f"{card.id} has no ONNX file; python -m export {card.name} --format onnx")
    return file


def _record(card: ModelCard, held: int, tried: list[Tried], best: Tried | None) -> dict[str, Any]:
    onnx = _onnx(card)
    return {
        "schema_version": 1, "model": card.id, "description": card.description,
        "sha256": onnx.sha256, "float32_bytes": onnx.size_bytes,
        "calibrated_on": CALIBRATED_ON, "held_out": held, "machine": machine(), "made_by": made_by(), "threads": 1,
        "chosen": best and best.plan, "tried": [each.to_dict() for each in tried],
    }


def _committed(results: Path | None, card: ModelCard) -> list[Path]:
    if results is None:
        return []
    told = machine()
    slug = re.sub(r"[^a-z0-9]+", "-", f"{told['cpu']} {told['cores']} cores".lower()).strip("-")
    return [results / slug / f"{card.name}-{card.version}.json"]


def _publish(folder: Path, card: ModelCard, best: Tried, root: Path, say: Callable[[str], None]) -> Published:
    family = root / card.name
    family.mkdir(parents=True, exist_ok=True)
    taken = [int(each.name) for each in (*family.iterdir(), *folder.parent.iterdir()) if is_version_folder(each)]
    version = 1 + max(taken, default=0)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=family))
    try:
        # Named as the final folder, so that the card can be read back and verified where it lies.
        new = staging / card.name / str(version)
        new.mkdir(parents=True)
        for kept in (*(file.path for file in card.files), card.golden.path):
            shutil.copyfile(folder / kept, new / kept)
        shutil.copyfile(best.path, new / FILE)
        int8 = open_model("onnxruntime-int8", new / FILE)
        # The card's recipe has the full address of own data, its score only the name.
        score = card.score and measure_accuracy(int8, dataset=str(card.recipe["dataset"]), split=card.score.split)
        if score is not None:
            say(f"accuracy {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}] on {score.count:,} test images")
        added = ModelFile(format=FORMAT, path=FILE, size_bytes=(new / FILE).stat().st_size,
                          sha256=sha256_of(new / FILE), golden=_golden(folder, card, new, int8), score=score)
        changed = card.model_copy(update={
            "version": version, "files": (*card.files, added), "made_by": made_by(),
            "training": card.training | {"quantised": {"from": card.id, "made_by": card.made_by, **best.to_dict()}},
        })
        check_golden(new, changed, int8)
        write_card(new, changed)
        new.chmod(0o755)
        final = family / str(version)
        new.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Published(folder=final, card=changed, existed=False)


def _golden(folder: Path, card: ModelCard, new: Path, int8: Runtime) -> Golden:
    with np.load(folder / card.golden.path, allow_pickle=False) as known:
        images = known["images"]
    np.savez_compressed(new / GOLDEN_FILE, images=images, probabilities=int8(images))
    return Golden(path=GOLDEN_FILE, sha256=sha256_of(new / GOLDEN_FILE), count=len(images), tolerance=GOLDEN_TOLERANCE)
