"""Every setting of the service: the only reader of the environment, read once, typed, with its range.

A wrong value stops the start with one sentence that names the variable, the value and what is allowed. The table in
the README is printed from here:

    python -m service settings
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from service.cpu import usable_cores

PREFIX = "WEIGHBRIDGE_"
BUNDLED_MODELS = Path(__file__).parent.parent / "models"

Resize = Literal["fit", "exact"]
Device = Literal["auto", "cpu", "cuda"]


class SettingError(ValueError):
    """An environment variable holds a value that is not allowed; the message names all three."""


@dataclass(frozen=True)
class _Kind:
    """How one variable is read: `parse` raises ValueError outside `allowed`, which is what people are told."""

    parse: Callable[[str], Any]
    allowed: str


def _whole(low: int, high: int) -> _Kind:
    def parse(text: str) -> int:
        if not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return _Kind(parse, f"a whole number from {low} to {high}")


def _number(low: float, high: float) -> _Kind:
    def parse(text: str) -> float:
        if not low <= float(text) <= high:  # false for NaN as well
            raise ValueError
        return float(text)

    return _Kind(parse, f"a number from {low:g} to {high:g}")


def _choice(*values: str) -> _Kind:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError
        return text

    return _Kind(parse, "one of " + ", ".join(values))


def _switch(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


def _paths(text: str) -> tuple[Path, ...]:
    found = tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)
    if not found:
        raise ValueError
    return found


_SWITCH = _Kind(_switch, "true or false")
_PATHS = _Kind(_paths, f"folders separated by {os.pathsep!r}")
_NAME = _Kind(str, "a model name, or name@version")


def _setting(default: Any, kind: _Kind, about: str, shown: str | None = None) -> Any:
    """One row: its default (or a function that finds it), how it is read, and a line of documentation."""
    metadata = {"kind": kind, "about": about, "shown": shown if shown is not None else str(default)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the service was told. Field `max_pixels` is the variable WEIGHBRIDGE_MAX_PIXELS, and so on."""

    models: tuple[Path, ...] = _setting((BUNDLED_MODELS,), _PATHS, "model roots; the first one that has a name@version wins", "models")
    default_model: str = _setting("", _NAME, "answers when a request names no model", "fm-fast, else the first by name")
    runtime: str = _setting("onnxruntime", _choice("onnxruntime", "torchscript", "torchexport"), "executes the graphs when a request names no runtime")
    device: Device = _setting("auto", _choice(*get_args(Device)), "`auto` takes CUDA where a session really opens on it")
    threads: int = _setting(1, _whole(1, 256), "intra-op threads of each model")
    workers: int = _setting(1, _whole(1, 256), "server processes; each loads every model")
    concurrency: int = _setting(usable_cores, _whole(1, 256), "batches that may run at once in one worker", "cores this process may use")
    inline_ms: float = _setting(0.5, _number(0, 1000), "work expected to be shorter runs on the event loop: a thread hop costs more")
    max_waiting: int = _setting(256, _whole(1, 100_000), "requests that may wait for a thread before new ones get 503")
    timeout_s: float = _setting(30.0, _number(0.1, 3600), "a request that is not read, or not answered, in this time gets 408 or 504 (seconds)")
    max_body_bytes: int = _setting(32 * 2**20, _whole(1024, 2**32), "largest request body")
    max_images: int = _setting(256, _whole(1, 100_000), "images in one /predict")
    max_pixels: int = _setting(25_000_000, _whole(1, 10**9), "pixels of one encoded image, read from its header before it is decoded")
    resize: Resize = _setting("fit", _choice(*get_args(Resize)), "`fit` scales an encoded image to the model's size and says so; `exact` refuses it")
    max_evaluate_images: int = _setting(100_000, _whole(1, 10**7), "images in one /evaluate")
    max_evaluations: int = _setting(1, _whole(1, 64), "evaluations at once in one worker; more get 503")
    access_log: bool = _setting(False, _SWITCH, "one JSON line per request on standard output", "false")

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings from `environ`; SettingError for the first value that is not allowed. Empty means unset."""
        return cls(**{
            entry.name: _parse(variable, environ[variable], entry.metadata["kind"])
            for entry in fields(cls)
            if environ.get(variable := PREFIX + entry.name.upper())
        })


def _parse(variable: str, text: str, kind: _Kind) -> Any:
    try:
        return kind.parse(text.strip())
    except (ValueError, KeyError):
        raise SettingError(f"{variable}={text!r} is not allowed; it must be {kind.allowed}") from None


def table() -> str:
    """The settings as a Markdown table: variable, default, allowed values, meaning."""
    rows = [
        f"| `{PREFIX}{entry.name.upper()}` | {entry.metadata['shown']} | {entry.metadata['kind'].allowed} | {entry.metadata['about']} |"
        for entry in fields(Settings)
    ]
    return "\n".join(["| Variable | Default | Allowed | Meaning |", "|---|---|---|---|", *rows])
