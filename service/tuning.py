"""`python -m service tune [MODEL…] [--threads N]`: which session settings are quicker here, model by model.

Each choice of `runtimes/choices.py` is taken in turns with the usual session, for one image and for the batch that the
usual one is quickest at, beside a control. It is kept only where it is clearly quicker at one of them and clearly
slower at none. What is kept holds from the next start of a server; `weigh` then says what it is worth under load, which
is where threads that spin take a core from somebody else.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.card import CARD_FILE, CardError, ModelCard, read_card, verify_files
from service.cpu import usable_cores
from service.runtimes.choices import CHOICES, SPINNING, STORE, USUAL, Tuned, keep, key_of, session_options
from service.runtimes.ort import OrtModel, on_cpu
from service.runtimes.turns import Ratio, ratio, take_turns
from service.settings import Settings

LEAST_GAIN = 0.97
UNREST = 0.05
BATCHES = (2, 4, 8, 16, 32)
CONTROL = "control"
Found = Mapping[str, Ratio]
Clock = Callable[[Mapping[str, OrtModel], NDArray[np.uint8]], dict[str, Ratio]]


def main(arguments: list[str], *, store: Path | None = None, say: Callable[[str], None] = print) -> None:
    """Tune what was named; ValueError for a name that no model has."""
    parser = argparse.ArgumentParser(prog="python -m service tune", description="Which session settings are quicker.")
    parser.add_argument("models", nargs="*", default=["*"], metavar="MODEL", help="names or globs (default: all)")
    parser.add_argument("--threads", type=int, nargs="+", help="default: 1, and one per usable core")
    options = parser.parse_args(arguments)
    if min(options.threads or (1,)) < 1:
        raise ValueError("--threads are counts, from 1 on")
    settings = Settings.read()
    every = sorted({path.parent for root in settings.models for path in root.glob(f"*/*/{CARD_FILE}")})
    chosen = [folder for folder in every if any(fnmatchcase(folder.parent.name, glob) for glob in options.models)]
    if not chosen:
        raise ValueError(f"no model matches {' '.join(options.models)} under {', '.join(map(str, settings.models))}")
    for folder in chosen:
        for threads in sorted(set(options.threads or (1, usable_cores()))):
            try:
                found = tune(folder, threads, store or STORE)
            except CardError as error:
                say(f"{folder}: {error}")
                continue
            told = "; ".join(f"batch of {each['batch']}: {each['told']}" for each in found.measured)
            say(f"{found.model}, {threads} thread{'s' if threads > 1 else ''}: {found.choice} ({told})")


def tune(folder: Path, threads: int, store: Path, *, clock: Clock | None = None) -> Tuned:
    """Measure every choice for the ONNX file of an artifact and keep the best; CardError where there is none."""
    card = read_card(folder)
    file = card.file("onnx")
    if file is None:
        raise CardError(f"{card.id} has no ONNX file")
    verify_files(folder, card)
    path = folder / file.path
    sessions = {name: _open(path, threads, name) for name in (USUAL, CONTROL, *CHOICES)
                if threads > 1 or name != SPINNING}
    sizes = (1, _best_batch(sessions[USUAL], card)) if clock is None else (1, BATCHES[-1])
    measured = {size: (clock or _time)(sessions, _images(size, card)) for size in sizes}
    choice = choose(list(measured.values()))
    sha256, library, cpu, _ = key_of(path, threads)
    found = Tuned(
        sha256=sha256, library=library, cpu=cpu, threads=threads, choice=choice, model=card.id,
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        measured=[{"batch": size, "told": _told(each), **{name: one.to_dict() for name, one in each.items()}}
                  for size, each in measured.items()],
    )
    keep(found, store)
    return found


def choose(measured: list[Found]) -> str:
    """The choice with the largest gain among those clearly quicker at some batch size and clearly slower at none."""
    if any(abs(each[CONTROL].at - 1) > UNREST for each in measured):
        return USUAL
    names = [name for name in measured[0] if name != CONTROL]
    good = [name for name in names if any(each[name].high <= LEAST_GAIN for each in measured)
            and all(each[name].low <= 1 for each in measured)]
    return min(good, key=lambda name: min(each[name].at for each in measured), default=USUAL)


def _open(path: Path, threads: int, choice: str) -> OrtModel:
    return OrtModel(on_cpu(path, session_options(threads, choice)), "cpu", threads)


def _time(sessions: Mapping[str, OrtModel], images: NDArray[np.uint8]) -> dict[str, Ratio]:
    taken = take_turns({name: partial(run, images) for name, run in sessions.items()})
    return {name: ratio(taken[name], taken[USUAL]) for name in sessions if name != USUAL}


def _best_batch(run: OrtModel, card: ModelCard) -> int:
    curve = take_turns({str(size): partial(run, _images(size, card)) for size in BATCHES}, rounds=9)
    return min(BATCHES, key=lambda size: float(np.median(curve[str(size)])) / size)


def _images(count: int, card: ModelCard) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *card.input.shape), dtype=np.uint8)


def _told(found: Found) -> str:
    return ", ".join(f"{name} {one.at:.2f} [{one.low:.2f}, {one.high:.2f}]" for name, one in found.items())
