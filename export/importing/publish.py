"""From a model that was understood to an artifact: wrapped, held against itself as it came, measured, then the card."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from export.accuracy import score_split
from export.golden import COUNT as GOLDEN_IMAGES
from export.golden import TOLERANCE as GOLDEN_TOLERANCE
from export.golden import clouds, write_golden
from export.importing import counting
from export.importing.asked import Asked, ImportRefusedError
from export.importing.foreign import Foreign, described
from export.importing.labelled import read_labelled, refuse_overlap
from export.importing.reference import opened
from export.importing.surgery import freed, wrapped
from export.parity import TOLERANCE, check_parity
from export.provenance import made_by
from export.publish import FILES, Published
from export.split import labelled_split
from export.staging import newest_version, publish_version
from export.to_onnx import INPUT, OUTPUT
from service.card import ModelCard, ModelFile, Score, sha256_of, write_card
from service.runtimes import open_model
from training.datasets import Split

Say = Callable[[str], None]
TRIED = 4           # images in one call, against each of them alone
HALF_TOLERANCE = 5e-3  # of probabilities, where the graph computes in float16


def publish(foreign: Foreign, asked: Asked, say: Say = lambda _: None) -> Published:
    """Write the next version of the model under `asked.to`, unless the newest is of the same file and the same answers.

    Raises ImportRefusedError or ParityError, and then nothing was published.
    """
    name = asked.name or _name(asked.source)
    test = _test(foreign, asked)
    facts = _facts(foreign, asked, test)
    newest = newest_version(asked.to / name)
    if newest is not None and newest[1].training.get("imported") == facts:
        return Published(folder=newest[0], card=newest[1], existed=True)
    if test is not None:
        dataset, split, data = test
        labelled_split(
            asked.to / "splits" / f"{dataset}-{split}", data.images, data.labels, dataset=dataset, split=split,
            classes=foreign.classes, licence="not stated; own data", careful=True,
        )

    def build(folder: Path, version: int) -> ModelCard:
        return _build(foreign, asked, folder, version, name, facts, test, say)

    final, card = publish_version(asked.to / name, build)
    return Published(folder=final, card=card, existed=False)


def _build(
    foreign: Foreign, asked: Asked, folder: Path, version: int, name: str, facts: dict[str, Any],
    test: tuple[str, str, Split] | None, say: Say,
) -> ModelCard:
    signature, path = foreign.signature, folder / FILES["onnx"]
    half = TensorProto.FLOAT16 in (signature.type, foreign.scores.type)
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    images = clouds(GOLDEN_IMAGES, signature.spec.shape)
    together, model = _batched(foreign, tolerance)
    say("batches: " + ("many images in one call, tried" if together else
                       "the graph takes one image at a time, and so it gets them one by one within a call"))
    onnx.helper.set_model_props(model, {
        "name": name, "version": str(version), "classes": "\n".join(foreign.classes),
        "input": "uint8 NHWC, 0..255, normalisation inside", "output": "softmax probabilities",
        "imported_from": foreign.kind, "imported_sha256": foreign.sha256,
    })
    onnx.save(model, path)
    parity = check_parity(foreign.probabilities, path, format="onnx", runtime="onnxruntime", images=images,
                          tolerance=tolerance)
    say(f"onnx: {path.stat().st_size / 1000:,.0f} kB, within {parity.max_abs_diff:.1e} of the model as it came")
    score = _score(path, test, say)
    card = ModelCard(
        name=name,
        version=version,
        description=asked.description or f"imported from {Path(asked.source).name}",
        architecture=foreign.kind,
        parameters=counting.parameters(foreign.model),
        macs=counting.macs(foreign.model, signature),
        input=signature.spec,
        classes=foreign.classes,
        files=(ModelFile(format="onnx", path=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path)),),
        golden=write_golden(folder, foreign.probabilities, images, max(GOLDEN_TOLERANCE, 2 * tolerance if half else 0)),
        parity=(parity,),
        score=score,
        training={"imported": facts, "batches": "together" if together else "one by one"},
        made_by=made_by(),
    )
    write_card(folder, card)
    return card


def _batched(foreign: Foreign, tolerance: float) -> tuple[bool, onnx.ModelProto]:
    """Whether several images can share a call, and the graph to serve: the first form whose answers are right."""
    images = clouds(TRIED, foreign.signature.spec.shape)
    expected = foreign.probabilities(images)
    forms: list[onnx.ModelProto] = []
    if foreign.signature.batch is not None:
        forms = [foreign.model, freed(foreign.model)] if foreign.signature.batch == 0 else [freed(foreign.model)]
    for form in forms:
        try:
            made = _wrapped(form, foreign, one_by_one=False)
            run = opened(made, INPUT, OUTPUT)
            alone = np.concatenate([run(images[place : place + 1]) for place in range(TRIED)])
            if max(np.abs(run(images) - expected).max(), np.abs(alone - expected).max()) <= tolerance:
                return True, made
        except (ImportRefusedError, ValueError):  # it does not run on more than one image, or with other shapes
            continue
    return False, _wrapped(foreign.model, foreign, one_by_one=True)


def _wrapped(form: onnx.ModelProto, foreign: Foreign, *, one_by_one: bool) -> onnx.ModelProto:
    return wrapped(form, foreign.signature, foreign.pixels, foreign.scores, foreign.classes, one_by_one=one_by_one)


def _test(foreign: Foreign, asked: Asked) -> tuple[str, str, Split] | None:
    """Data set, split and images of --test. The split's name says the size where another model may have another one."""
    if asked.test is None:
        return None
    spec = foreign.signature.spec
    data = read_labelled("--test", asked.test, spec, foreign.classes)
    if foreign.samples is not None:
        refuse_overlap(foreign.samples, data)
    where = asked.test.resolve()
    plain = where.parent.name if where.name.lower() in ("test", "testing") else where.stem
    dataset = asked.dataset or _name(plain)
    there = asked.to / "splits" / f"{dataset}-test"
    if there.is_dir() and _shape_of(there) not in (None, spec.shape):
        return dataset, f"test-{spec.height}x{spec.width}x{spec.channels}", data
    return dataset, "test", data


def _shape_of(folder: Path) -> tuple[int, ...] | None:
    try:
        return tuple(json.loads((folder / "split.json").read_bytes())["shape"])
    except (OSError, ValueError, KeyError):
        return None


def _score(path: Path, test: tuple[str, str, Split] | None, say: Say) -> Score | None:
    if test is None:
        say("accuracy: not measured; --test FOLDER measures it and lets the model be weighed")
        return None
    dataset, split, data = test
    score = score_split(open_model("onnxruntime", path), data, dataset=dataset, split=split)
    interval = f"[{score.low:.2%}, {score.high:.2%}]"
    say(f"accuracy {score.accuracy:.2%} {interval} on {score.count:,} images of {dataset}-{split}")
    return score


def _facts(foreign: Foreign, asked: Asked, test: tuple[str, str, Split] | None) -> dict[str, Any]:
    """What the card says about where the model came from and how it was understood; equal facts are equal artifacts."""
    facts = {
        "source": asked.source if ":" in asked.source else Path(asked.source).name,
        "sha256": foreign.sha256,
        "kind": foreign.kind,
        "layout": foreign.signature.layout,
        "dtype": TensorProto.DataType.Name(foreign.signature.type).lower(),
        "batch": {None: "none", 0: "any"}.get(foreign.signature.batch, str(foreign.signature.batch)),
        "output": foreign.signature.output,
        "scores": foreign.scores.kind,
        "normalization": {"mean": foreign.pixels.mean, "std": foreign.pixels.std, "bgr": foreign.pixels.bgr,
                          "described": described(foreign.pixels), "found": foreign.pixels.why},
        "classes_sha256": hashlib.sha256("\n".join(foreign.classes).encode()).hexdigest(),
        "test": {"dataset": test[0], "split": test[1], "sha256": test[2].sha256} if test else None,
        "description": asked.description,
    }
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # as it will be read back


def _name(source: str) -> str:
    text = source.partition(":")[2] if ":" in source else Path(source).stem
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
    if not name:
        raise ImportRefusedError(f"{source} gives no name; say one with --name")
    return name
