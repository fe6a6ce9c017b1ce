"""The model card: what the build world writes and the serve world reads. Torch-free and BentoML-free.

An artifact is a folder `<root>/<name>/<version>/`:

    model.onnx      the graph: uint8 NHWC images in, probabilities out, normalisation inside
    model.pt        the same as TorchScript, where it was exported (model.pt2: as torch.export archive)
    model.int8.onnx the graph in int8, where quantising it was measured to pay, with golden vectors of its own
    golden.npz      images and the probabilities the exporter measured for them
    card.json       this schema; written last, so that its presence means the folder is complete

Nothing in a folder without a readable card is ever loaded, and nothing the card names is loaded before its
size and SHA-256 agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

SCHEMA_VERSION = 1
CARD_FILE = "card.json"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Format = Literal["onnx", "onnx-int8", "torchscript", "pt2"]


class CardError(ValueError):
    """A card, or a file it names, cannot be trusted. The message says which and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Strict):
    """What one image must look like: `height` x `width` pixels, 1 (grey) or 3 (RGB) channels, uint8, NHWC."""

    height: int = Field(ge=1, le=4096)
    width: int = Field(ge=1, le=4096)
    channels: Literal[1, 3]
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return (self.height, self.width, self.channels)


class Golden(_Strict):
    """Reference answers a server repeats before it calls the model ready.

    `path` is an .npz with `images` uint8 (count, height, width, channels) and `probabilities` float32
    (count, classes), measured in eager fp32 by the exporter. `tolerance` bounds |probability difference|.
    """

    path: FileName
    sha256: Sha256
    count: int = Field(ge=1)
    tolerance: float = Field(gt=0, le=0.1)


class Parity(_Strict):
    """How far one exported format was from the eager network when it was published."""

    format: Format
    runtime: str
    batches: tuple[int, ...]
    images: int
    max_abs_diff: float
    tolerance: float
    top1_disagreements: int


class Score(_Strict):
    """Accuracy measured on the exported file, through the runtime that serves it, over a whole split."""

    dataset: str
    split: str
    split_sha256: Sha256
    count: int = Field(ge=1)
    correct: int = Field(ge=0)
    accuracy: float
    low: float   # Wilson interval, 95 %
    high: float
    runtime: str

    @model_validator(mode="after")
    def _consistent(self) -> Score:
        if self.correct > self.count or abs(self.accuracy - self.correct / self.count) > 1e-12:
            raise ValueError(f"accuracy {self.accuracy} is not {self.correct}/{self.count}")
        return self


class ModelFile(_Strict):
    """One serialised graph beside the card.

    `golden` and `score` are its own where its arithmetic is not that of the eager network, as in int8; where they are
    None, the card's hold.
    """

    format: Format
    path: FileName
    size_bytes: int = Field(ge=1)
    sha256: Sha256
    golden: Golden | None = None
    score: Score | None = None


class ModelCard(_Strict):
    """Everything a server, an evaluator or a report needs to know about one version of one model."""

    schema_version: Literal[1] = 1
    name: Name
    version: int = Field(ge=1)
    description: str
    task: Literal["image-classification"] = "image-classification"
    architecture: str
    parameters: int = Field(ge=0)
    macs: int | None = Field(default=None, ge=0)   # multiply-accumulates for one image
    input: InputSpec
    classes: tuple[str, ...] = Field(min_length=2)
    files: tuple[ModelFile, ...] = Field(min_length=1)
    golden: Golden
    parity: tuple[Parity, ...] = ()
    score: Score | None = None
    recipe: dict[str, Any] = Field(default_factory=dict)       # fully resolved; empty for imported models
    training: dict[str, Any] = Field(default_factory=dict)     # seed, epochs, seconds, validation accuracy, ...
    made_by: dict[str, Any] = Field(default_factory=dict)      # commit, versions, machine, date

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        formats = [file.format for file in self.files]
        if len(set(formats)) != len(formats):
            raise ValueError(f"files lists a format twice: {formats}")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes has duplicates")
        return self

    @property
    def id(self) -> str:
        """`name@version`, the exact address of this artifact."""
        return f"{self.name}@{self.version}"

    def file(self, format: str) -> ModelFile | None:  # noqa: A002 - the card's own word for it
        """The file in `format`, or None when this artifact was not exported to it."""
        return next((file for file in self.files if file.format == format), None)

    def golden_of(self, format: str) -> Golden:  # noqa: A002
        """What the file in `format` must repeat: its own reference answers, or those of the artifact."""
        file = self.file(format)
        return file.golden if file is not None and file.golden is not None else self.golden

    def score_of(self, format: str) -> Score | None:  # noqa: A002
        """What the file in `format` scored: its own figure, or that of the artifact."""
        file = self.file(format)
        return file.score if file is not None and file.score is not None else self.score


def read_card(folder: Path) -> ModelCard:
    """Read `folder/card.json`; a CardError names the folder, the field and the reason."""
    path = folder / CARD_FILE
    try:
        raw = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CardError(f"{folder}: no {CARD_FILE}; the export was not finished, run it again") from None
    except (OSError, ValueError) as error:
        raise CardError(f"{path}: unreadable: {error}") from error
    found = raw.get("schema_version") if isinstance(raw, dict) else None
    if found != SCHEMA_VERSION:
        raise CardError(f"{path}: schema_version is {found!r}, this release reads {SCHEMA_VERSION}; export again")
    try:
        card = ModelCard.model_validate(raw)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors())
        raise CardError(f"{path}: {reasons}") from error
    if (folder.name, folder.parent.name) != (str(card.version), card.name):
        raise CardError(f"{path}: says {card.id} but lies in {folder.parent.name}/{folder.name}")
    return card


def write_card(folder: Path, card: ModelCard) -> Path:
    """Write `folder/card.json` atomically. Call it last: the card is the proof that the rest is there."""
    return write_atomically(folder / CARD_FILE, card.model_dump_json(indent=2).encode() + b"\n")


def verify_files(folder: Path, card: ModelCard) -> None:
    """Raise CardError unless every file the card names has the size and SHA-256 it says."""
    own = [file.golden for file in card.files if file.golden is not None]
    entries: tuple[ModelFile | Golden, ...] = (*card.files, card.golden, *own)
    for entry in entries:
        path = folder / entry.path
        if not path.is_file():
            raise CardError(f"{card.id}: {entry.path} is missing from {folder}")
        size = getattr(entry, "size_bytes", None)
        if size is not None and path.stat().st_size != size:
            raise CardError(f"{card.id}: {entry.path} has {path.stat().st_size} bytes, its card says {size}")
        found = sha256_of(path)
        if found != entry.sha256:
            raise CardError(f"{card.id}: {entry.path} has SHA-256 {found[:12]}…, its card says {entry.sha256[:12]}…")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> Path:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    Also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)
    return path


def is_version_folder(folder: Path) -> bool:
    """Whether a folder's name can be a version: a positive decimal number without leading zeros."""
    return re.fullmatch(r"[1-9][0-9]{0,8}", folder.name) is not None
