"""What can be weighed: the models whose cards lie under a model root, and the labelled images that fit them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks.report.numbers import listed
from service.card import CARD_FILE, CardError, ModelCard, is_version_folder, read_card, verify_files
from service.runtimes import RUNTIMES
from service.splits import FOLDER, Split, find_splits

MODELS = Path("models")


class NothingToWeighError(ValueError):
    """No model or no labelled images; the message says where they were looked for and the cure."""


@dataclass(frozen=True)
class Contender:
    """One version of one model, on disk."""

    folder: Path
    card: ModelCard

    @property
    def id(self) -> str:
        """`name@version`."""
        return self.card.id


def find_contenders(root: Path, globs: Sequence[str] = ("*",)) -> list[Contender]:
    """The newest version of every model whose name matches one of `globs`, by name."""
    newest: dict[str, Contender] = {}
    for path in root.glob(f"*/*/{CARD_FILE}"):
        if not is_version_folder(path.parent):
            continue
        found = Contender(path.parent, read_card(path.parent))
        known = newest.get(found.card.name)
        if known is None or known.card.version < found.card.version:
            newest[found.card.name] = found
    if not newest:
        raise NothingToWeighError(f"no models under {root.resolve()}; export one with python -m export, or give --root")
    chosen = [newest[name] for name in sorted(newest) if any(fnmatchcase(name, glob) for glob in globs)]
    if not chosen:
        raise NothingToWeighError(f"no model matches {' '.join(globs)}; there are {', '.join(sorted(newest))}")
    return chosen


def check_files(contenders: Sequence[Contender]) -> None:
    """Raise NothingToWeighError where a file is not what its card says: no server would serve it, minutes later."""
    for contender in contenders:
        try:
            verify_files(contender.folder, contender.card)
        except CardError as error:
            raise NothingToWeighError(f"{error}; export it again, or choose others") from error


def check_same_question(named: Iterable[tuple[str, tuple[str, ...]]], cure: str) -> None:
    """NothingToWeighError where models, as (name, classes), tell other classes apart: none can stand for another."""
    by_classes: dict[tuple[str, ...], list[str]] = {}
    for name, classes in named:
        by_classes.setdefault(classes, []).append(name)
    if len(by_classes) > 1:
        told = "; ".join(f"{listed(names)} know {', '.join(classes[:2])}, …" for classes, names in by_classes.items())
        raise NothingToWeighError(f"these models answer different questions: {told}. {cure}")


def check_format(contenders: Sequence[Contender], runtime: str) -> None:
    """Raise NothingToWeighError where a contender has no file for a runtime."""
    wanted = RUNTIMES[runtime].format
    if without := [contender.id for contender in contenders if contender.card.file(wanted) is None]:
        raise NothingToWeighError(f"{', '.join(without)}: not exported as {wanted}, which {runtime} needs; "
                                  f"python -m export NAME --format {wanted}, or choose others")


def find_split(root: Path, card: ModelCard) -> Split:
    """The labelled split for a model: the one its card was scored on, else any whose images and classes fit."""
    splits, problems = find_splits([root])
    scored = f"{card.score.dataset}-{card.score.split}" if card.score else ""
    for name in sorted(splits, key=lambda name: (name != scored, name)):
        split = splits[name].card
        if split.shape == card.input.shape and split.classes == card.classes:
            return splits[name]
    raise NothingToWeighError(
        f"{card.id} takes {card.input.shape} images of {len(card.classes)} classes and no split under "
        f"{root / FOLDER} has them" + "".join(f"; {problem}" for problem in problems)
    )


def with_images(root: Path, contenders: Sequence[Contender], say: Callable[[str], None]) -> list[Contender]:
    """The contenders whose labelled images are under `root`; `say` gets a line, with the cure, for each of the others.

    Not every data set's licence lets a repository carry its images. NothingToWeighError when no contender is left.
    """
    kept, reasons = [], []
    for contender in contenders:
        try:
            find_split(root, contender.card)
            kept.append(contender)
        except NothingToWeighError as error:
            reasons.append(str(error))
            scored = contender.card.score
            cure = f"python -m export --split {scored.dataset} {scored.split} --to {root}" if scored else "add a split"
            say(f"{contender.id} is served and not weighed: its labelled images are not here; {cure}")
    if not kept:
        raise NothingToWeighError("; ".join(reasons))
    return kept
