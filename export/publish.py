"""From a finished training run to a served artifact: export, gate, measure, and only then the card.

    folder = publish(run, root, formats=("onnx", "torchscript"))

Everything is written into a hidden staging folder that takes its final name `root/name/version` in one rename, after
the card. A reader of `root` therefore sees a complete artifact or none. A run below its recipe's floor, in train mode,
or with failed parity is refused with the amount, and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.accuracy import measure_accuracy
from export.golden import COUNT as GOLDEN_IMAGES
from export.golden import clouds, write_golden
from export.half import round_weights, store_file_as_half
from export.parity import check_parity
from export.provenance import made_by, training_facts
from export.reason import reason
from export.staging import newest_version, publish_version
from export.to_onnx import to_onnx
from export.to_torch import to_exported, to_torchscript
from export.wrapped import Wrapped
from service.card import Format, InputSpec, ModelCard, ModelFile, sha256_of, write_card
from service.runtimes import RUNTIMES, open_model
from training.architectures import build_network
from training.datasets import facts_of, load_split
from training.own.store import public_name
from training.runs import Run
from training.splits import spread

FILES: dict[Format, str] = {"onnx": "model.onnx", "torchscript": "model.pt", "pt2": "model.pt2"}
# Of several runtimes that read a format, the first: the others are optional.
RUNTIME_FOR: dict[str, str] = {spec.format: runtime for runtime, spec in reversed(RUNTIMES.items())}
PROBE_IMAGES = 256  # enough for every parity batch


class ExportRefusedError(ValueError):
    """The run may not be served; the message says why and by how much."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What `publish` did: the artifact's folder and card, and whether it had been there already."""

    folder: Path
    card: ModelCard
    existed: bool


def publish(
    run: Run,
    root: Path,
    *,
    formats: Sequence[Format],
    half: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Export `run` into `root`, as the next version of its name unless the newest already holds the same weights.

    `half` rounds the weights to float16 and stores them so in the ONNX file. `say` receives one line per step. Raises
    ExportRefusedError, ParityError, RoundingError or ValueError; then nothing was published.
    """
    if not formats or "onnx" not in formats:
        raise ValueError("formats must include onnx: the card's accuracy is measured on it")
    facts = training_facts(run)
    newest = newest_version(root / run.recipe.name)
    if newest is not None and _same(newest[1], facts, formats, half):
        return Published(folder=newest[0], card=newest[1], existed=True)

    def build(folder: Path, version: int) -> ModelCard:
        return _build(run, folder, version, formats, half, facts, say)

    final, card = publish_version(root / run.recipe.name, build)
    return Published(folder=final, card=card, existed=False)


def _same(card: ModelCard, facts: dict[str, object], formats: Sequence[Format], half: bool) -> bool:
    have = {file.format for file in card.files}
    if ("rounding" in card.training) != half:
        return False
    return card.training.get("weights_sha256") == facts["weights_sha256"] and set(formats) <= have


def _build(
    run: Run,
    folder: Path,
    version: int,
    formats: Sequence[Format],
    half: bool,
    facts: dict[str, object],
    say: Callable[[str], None],
) -> ModelCard:
    recipe, data = run.recipe, facts_of(run.recipe.dataset)
    network = build_network(recipe)
    weights = run.load_weights()
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:  # a network of one's own, whose module imports others
        raise ExportRefusedError(
            f"{run.label}: its weights do not fit {recipe.architecture} as it is now ({_lines(error)}); restore the "
            "files that were trained with, or train anew"
        ) from error
    module = Wrapped(network, *recipe.normalization).eval()
    train = load_split(recipe.dataset, "train").images
    images = train[spread(len(train), PROBE_IMAGES)]
    if half:
        rounding = round_weights(module, run)
        facts = facts | {"rounding": rounding.to_dict()}
        say(f"float16 weights: {rounding.agreement:.2%} of {rounding.images:,} answers on {rounding.on} unchanged")

    def eager(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.no_grad():
            probabilities: NDArray[np.float32] = module(torch.from_numpy(batch.copy())).numpy()
        return probabilities

    files, parities = [], []
    for format in formats:  # noqa: A001 - the card's own word for it
        path = folder / FILES[format]
        try:
            _write(format, module, torch.from_numpy(images[:2].copy()), path, metadata(run, version, data.classes))
        except (ValueError, OSError):
            raise
        except Exception as error:
            raise ExportRefusedError(
                f"{run.label}: {recipe.architecture} cannot be exported as {format}: {reason(error)}. Exporters follow "
                "tensors, and no Python that decides by an image's values"
            ) from error
        if half and format == "onnx":
            store_file_as_half(path)
        parity = check_parity(eager, path, format=format, runtime=RUNTIME_FOR[format], images=images)
        say(f"{format}: {path.stat().st_size / 1000:,.0f} kB, within {parity.max_abs_diff:.1e} of eager")
        files.append(
            ModelFile(format=format, path=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
        )
        parities.append(parity)

    score = measure_accuracy(
        open_model("onnxruntime", folder / FILES["onnx"]), dataset=recipe.dataset, split="test"
    )
    say(f"accuracy {score.accuracy:.2%} [{score.low:.2%}, {score.high:.2%}] on {score.count:,} test images")
    refuse_below_floor(recipe.name, score.accuracy, recipe.floor)
    card = ModelCard(
        name=recipe.name,
        version=version,
        description=recipe.description,
        architecture=recipe.architecture,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=count_macs(module, images[:1]),
        input=InputSpec(height=data.height, width=data.width, channels=data.channels),
        classes=data.classes,
        files=tuple(files),
        golden=write_golden(folder, eager, train if data.shareable else clouds(GOLDEN_IMAGES, data.shape)),
        parity=tuple(parities),
        score=score,
        recipe=recipe.to_dict(),
        training=facts,
        made_by=made_by(),
    )
    write_card(folder, card)
    return card


def refuse_below_floor(name: str, accuracy: float, floor: float) -> None:
    """Raise ExportRefusedError when `accuracy` is below `floor` (both fractions)."""
    if accuracy < floor:
        raise ExportRefusedError(
            f"{name}: accuracy {accuracy:.2%} is {100 * (floor - accuracy):.2f} points below its floor {floor:.2%}"
        )


def metadata(run: Run, version: int, classes: Sequence[str]) -> dict[str, str]:
    """What is written inside the ONNX file, for whoever meets it without its card."""
    return {
        "name": run.recipe.name,
        "version": str(version),
        "classes": "\n".join(classes),
        "input": "uint8 NHWC, 0..255, normalisation inside",
        "output": "softmax probabilities",
        "dataset": public_name(run.recipe.dataset),
        "architecture": run.recipe.architecture,
        "recipe_fingerprint": run.recipe.fingerprint,
        "seed": str(run.seed),
        "protocol": run.protocol,
    }


def count_macs(module: torch.nn.Module, images: NDArray[np.uint8]) -> int:
    """Multiply-accumulates of one forward pass over `images`, matrix products and convolutions only."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.from_numpy(images.copy()))
    return int(counter.get_total_flops()) // (2 * len(images))


def _lines(error: RuntimeError) -> str:
    """The first things that do not fit, of which torch's heading tells none."""
    return " ".join(line.strip() for line in str(error).splitlines()[1:3])


def _write(format: Format, module: Wrapped, example: torch.Tensor, path: Path, inside: dict[str, str]) -> None:  # noqa: A002
    if format == "onnx":
        to_onnx(module, example, path, inside)
    elif format == "torchscript":
        to_torchscript(module, example, path)
    else:
        to_exported(module, example, path)
