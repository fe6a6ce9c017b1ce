"""What the user said about a model, as far as it cannot be seen; None: find it out, or ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class ImportRefusedError(ValueError):
    """The model cannot be served as it is; the message says why and what would help."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of `python -m export import`. Sizes are (height, width) in pixels; mean and std of pixels in 0..1."""

    source: str
    classes: Path | None = None
    name: str | None = None
    description: str | None = None
    weights: Path | None = None
    input: str | None = None
    output: str | None = None
    layout: str | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    normalize: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    bgr: bool = False
    scores: str | None = None
    samples: Path | None = None
    test: Path | None = None
    dataset: str | None = None
    to: Path = field(default=Path("artifacts"))
