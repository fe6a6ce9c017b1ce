"""The models this server has: finds the cards, opens the graphs, and believes neither before they are checked.

A version becomes ready only after its files have the sizes and hashes of the card, its graph opened, and its golden
vectors came out as the exporter measured them. A version that fails stays on the shelf with the reason, and never
keeps another one from serving. Loading runs in a thread; readers see a version change from loading to its end state
at once. Knows nothing of HTTP.

`refresh` brings the shelf in line with folders that changed while it serves. A changed version is opened and checked
aside, and takes its place only when it is ready; what is refused changes nothing but `reason`. A version that leaves is
not found any more, while requests that found it before go on with it: its session ends with the last of them. A root
that had models and has none at all is taken for a disk that is away, which is no order to unload.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.card import CardError, ModelCard, is_version_folder, read_card, verify_files
from service.problems import Problem
from service.runtimes import RUNTIMES, Runtime, RuntimeUnavailable, gpu_here, missing, open_model
from service.settings import Settings
from service.splits import FOLDER as SPLITS_FOLDER

PREFERRED = "fm-fast"  # the default model where the settings name none
WARM_UPS = 5
STILL_LOADING = "the models are still being loaded"
UNLOADED = "it was unloaded through the API"

State = Literal["loading", "ready", "failed", "unloaded"]
Print = tuple[object, ...]
Unwanted = Callable[[str, int], bool]  # by name and version
Folders = dict[Path, list[Path]]       # the version folders of each root, in the order of the roots
logger = logging.getLogger("weighbridge")


@dataclass(frozen=True)
class Opened:
    """A graph that passed its golden vectors. `image_s` is what one image alone took, in seconds, after warming up."""

    card: ModelCard
    run: Runtime
    image_s: float


@dataclass(eq=False)
class Entry:
    """One version folder. `card` is None where it could not be read; `reason` says why a version failed, or why a
    ready one was not replaced by what its folder holds now. `print` tells whether the folder changed since."""

    folder: Path
    name: str
    version: int
    card: ModelCard | None = None
    state: State = "loading"
    reason: str | None = None
    print: Print = ()
    opened: dict[str, Opened] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # runtime -> why it cannot be used
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    def fail(self, reason: str) -> None:
        """End as failed; `reason` is shown in /readyz and /models."""
        self.reason, self.state = reason, "failed"
        logger.error("model %s is not served: %s", self.id, reason)


class Shelf:
    """All versions under the model roots. `load` and `refresh` block, one at a time; everything else only reads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loaded = False
        self.reason: str | None = None  # why there is nothing to serve
        self._entries: dict[tuple[str, int], Entry] = {}  # replaced, never changed: readers hold no lock
        self._known_as: dict[str, list[Entry]] = {}  # what `name` and `name@version` lead to, newest first
        self._default: str | None = settings.default_model or None
        self._writing = threading.Lock()
        self._leaving: list[weakref.ref[Opened]] = []
        self._away: set[Path] = set()  # roots that had models

    def __iter__(self) -> Iterator[Entry]:
        """Entries by name, oldest version first."""
        entries = self._entries
        return iter([entries[key] for key in sorted(entries)])

    def load(self, unwanted: Unwanted = lambda *_: False) -> None:
        """Find, verify, open and check every version with the default runtime, but those that are `unwanted`."""
        with self._writing:
            folders = _folders(self.settings.models)
            self._put({(entry.name, entry.version): entry for entry in _discover(folders)})
            for entry in self:
                if unwanted(entry.name, entry.version):
                    entry.reason, entry.state = UNLOADED, "unloaded"
                else:
                    self._try(entry)
            self._look_for_nothing()
            self.loaded = True
            for root in folders:
                if not folders[root]:
                    logger.warning("no model under %s%s", root, "" if root.is_dir() else ", which does not exist")

    def refresh(
        self, unwanted: Unwanted = lambda *_: False, force: Collection[str] = ()
    ) -> None:
        """Load what is new or changed, drop what is gone or `unwanted`, and load `force` again even when unchanged.

        `force` holds names and `name@version`.
        """
        with self._writing:
            folders = _folders(self.settings.models)
            found = {(entry.name, entry.version): entry for entry in _discover(folders)}
            self._look_for_roots(folders)
            for key, entry in found.items():
                now = self._entries.get(key)
                if now is not None and _root(now) in self._away:
                    continue  # the same version under another root is no replacement
                if unwanted(entry.name, entry.version):
                    self._set_aside(now or entry)
                elif now is None or now.state == "unloaded":
                    self._publish(entry)
                    self._try(entry)
                elif now.print != entry.print or _named(entry, force):
                    self._replace(now, entry)
            for key, entry in list(self._entries.items()):
                if key not in found and _root(entry) not in self._away:
                    self._publish(None, key)
                    logger.info("model %s is gone", entry.id)
            self._look_for_nothing()

    @property
    def leaving(self) -> int:
        """Opened graphs that were taken off the shelf while requests still use them."""
        self._leaving = [each for each in self._leaving if each() is not None]
        return len(self._leaving)

    def shapes(self) -> set[tuple[int, int, int]]:
        """What the models take: height, width, channels."""
        return {entry.card.input.shape for entry in self._entries.values() if entry.card is not None}

    def give_up(self, reason: str) -> None:
        """Loading has ended without anything to serve."""
        self.reason, self.loaded = reason, True

    def default(self) -> str | None:
        """The name that answers when a request names none."""
        return self._default

    def find(self, wanted: str | None) -> Entry:
        """The ready entry for `name` (its newest ready version) or `name@version`; None asks for the default."""
        wanted = wanted or self._default
        for entry in self._known_as.get(wanted or "", ()):
            if entry.state == "ready":
                return entry
        if wanted is None or not self._entries:
            raise Problem("not-ready", self.reason or STILL_LOADING, retry_after_s=None if self.reason else 1)
        name, _, version = wanted.partition("@")
        entries = [entry for entry in self if entry.name == name and version in ("", str(entry.version))]
        if not entries:
            raise Problem("unknown-model", f"there is no model {_short(wanted)}", field="model", cure=self._known())
        ready = [entry for entry in entries if entry.state == "ready"]
        if not ready:
            newest = entries[-1]
            waiting = newest.state == "loading"
            reason = (newest.reason or "it is still being loaded").removeprefix(f"{newest.id}: ")
            raise Problem("not-ready", f"{newest.id}: {reason}", field="model", retry_after_s=1 if waiting else None)
        return ready[-1]

    def versions(self, name: str) -> list[Entry]:
        """All entries of a name, oldest first; unknown-model when there is none."""
        found = [entry for entry in self if entry.name == name]
        if not found:
            raise Problem("unknown-model", f"there is no model {_short(name)}", field="model", cure=self._known())
        return found

    def has(self, name: str) -> bool:
        """Whether there is a folder for `name` or `name@version`, on the shelf or new under the roots."""
        return any(_named(entry, (name,)) for entry in (*self, *_discover(_folders(self.settings.models))))

    def open(self, entry: Entry, runtime: str | None) -> Opened:
        """The checked graph of a ready entry on `runtime` (None: the default one). Opens it on first use: may block."""
        runtime = runtime or self.settings.runtime
        opened = entry.opened.get(runtime)
        if opened is not None:
            return opened
        self.check(entry, runtime)
        with entry.lock:
            if (opened := entry.opened.get(runtime)) is not None:
                return opened
            self.check(entry, runtime)  # whoever had the lock may have failed
            try:
                return self._open(entry, runtime)
            except (CardError, RuntimeUnavailable) as error:
                reason = str(error)
            except Exception as error:
                logger.exception("%s cannot be opened on %s", entry.id, runtime)
                reason = f"{type(error).__name__}: {error}"
            entry.refused[runtime] = reason
            raise self._unavailable(entry, reason)

    def check(self, entry: Entry, runtime: str) -> None:
        """Problem where a ready entry cannot run on `runtime` here, as far as is known without trying."""
        if runtime not in RUNTIMES:
            raise Problem("unknown-runtime", f"there is no runtime {_short(runtime)}", field="runtime",
                          cure=f"use one of {', '.join(RUNTIMES)}")
        if reason := self.refusal(entry, runtime):
            raise self._unavailable(entry, reason)

    def forgive(self) -> None:
        """Let what could not be opened be tried again: what was missing may be there now."""
        for entry in self:
            entry.refused.clear()

    def refusal(self, entry: Entry, runtime: str) -> str | None:
        """Why `entry` cannot run on `runtime` here, or None when it can, as far as is known without trying."""
        if entry.card is None or entry.state != "ready":
            return entry.reason or "still being loaded"
        if entry.card.file(RUNTIMES[runtime].format) is None:
            return f"{entry.id} was not exported as {RUNTIMES[runtime].format}"
        return entry.refused.get(runtime) or missing(runtime)

    def _publish(self, entry: Entry | None, key: tuple[str, int] | None = None) -> None:
        """Put `entry` in its place, or None in the place of `key`; readers see the old shelf or the new one."""
        if entry is not None:
            key = entry.name, entry.version
        assert key is not None
        entries = dict(self._entries)
        old = entries.pop(key, None)
        if entry is not None:
            entries[key] = entry
        self._put(entries)
        if old is not None and old is not entry:
            self._leaving += [weakref.ref(opened) for opened in old.opened.values()]

    def _put(self, entries: dict[tuple[str, int], Entry]) -> None:
        known_as: dict[str, list[Entry]] = {}
        for _, entry in sorted(entries.items(), reverse=True):
            known_as.setdefault(entry.name, []).append(entry)
            known_as[entry.id] = [entry]
        names = sorted({entry.name for entry in entries.values()})
        self._entries, self._known_as = entries, known_as
        self._default = self.settings.default_model or (PREFERRED if PREFERRED in names else next(iter(names), None))

    def _set_aside(self, entry: Entry) -> None:
        if entry.state != "unloaded":
            self._publish(Entry(entry.folder, entry.name, entry.version, entry.card, "unloaded", UNLOADED))
            logger.info("model %s is unloaded", entry.id)

    def _replace(self, now: Entry, entry: Entry) -> None:
        """Put `entry` where `now` is, unless that would put a failed version in the place of a ready one."""
        self._try(entry)
        if entry.state == "ready" or now.state != "ready":
            self._publish(entry)
            return
        now.print = entry.print  # so that it is tried again only after the next change
        now.reason = f"its folder holds a version that was refused, so the one before goes on: {entry.reason}"

    def _look_for_roots(self, folders: Folders) -> None:
        away = {root for root in {_root(entry) for entry in self} if not folders.get(root)}
        for root in away - self._away:
            logger.error("the model root %s is away: it had models and has none; they are served on", root)
        for root in self._away - away:
            logger.info("the model root %s is back", root)
        self._away = away

    def _look_for_nothing(self) -> None:
        self.reason = None
        if not self._entries:
            roots = ", ".join(map(str, self.settings.models))
            self.reason = (
                f"no model under {roots}; WEIGHBRIDGE_MODELS names the roots, `python -m export` fills them"
            )

    def _try(self, entry: Entry) -> None:
        try:
            self._load(entry)
        except Exception as error:  # noqa: BLE001 - whatever one artifact does, the others must serve
            entry.fail(f"{type(error).__name__}: {error}")

    def _load(self, entry: Entry) -> None:
        try:
            entry.card = read_card(entry.folder)
            self._open(entry, self.settings.runtime)
        except (CardError, RuntimeUnavailable) as error:
            entry.fail(str(error))
            return
        entry.state = "ready"
        logger.info("model %s is ready", entry.id)

    def _open(self, entry: Entry, runtime: str) -> Opened:
        assert entry.card is not None
        file = entry.card.file(RUNTIMES[runtime].format)
        if file is None:
            raise RuntimeUnavailable(f"{entry.id} was not exported as {RUNTIMES[runtime].format} for {runtime}")
        verify_files(entry.folder, entry.card)  # each time: the folder may have changed since another runtime opened
        run = self._on_a_device(runtime, entry.folder / file.path)
        check_golden(entry.folder, entry.card, run)
        entry.opened[runtime] = Opened(entry.card, run, _image_s(run, entry.card))
        return entry.opened[runtime]

    def _on_a_device(self, runtime: str, path: Path) -> Runtime:
        device, threads = self.settings.device, self.settings.threads
        if device != "auto":
            return open_model(runtime, path, device=device, threads=threads)
        if "cuda" in RUNTIMES[runtime].devices and gpu_here():  # else trying would only cost time
            try:
                return open_model(runtime, path, device="cuda", threads=threads)
            except RuntimeUnavailable as error:
                logger.warning("%s stays on the CPU: %s", path.parent, error)
        return open_model(runtime, path, device="cpu", threads=threads)

    def _unavailable(self, entry: Entry, reason: str) -> Problem:
        return Problem("runtime-unavailable", reason, field="runtime",
                       cure=f"use one of {', '.join(entry.opened)}; after a reload it is tried again")

    def _known(self) -> str:
        return f"use one of {', '.join(dict.fromkeys(entry.name for entry in self))}"


def check_golden(folder: Path, card: ModelCard, run: Runtime) -> None:
    """CardError unless `run` repeats its golden vectors, all at once and one alone, within the card's tolerance."""
    golden = card.golden_of(RUNTIMES[run.name].format)
    with np.load(folder / golden.path, allow_pickle=False) as data:
        images, expected = data["images"], data["probabilities"]
    for batch in (slice(None), slice(0, 1)):
        found = run(np.ascontiguousarray(images[batch]))
        if found.shape != expected[batch].shape:
            raise CardError(f"{card.id}: {run.name} answers {found.shape}, golden vectors are {expected[batch].shape}")
        worst = float(np.abs(found - expected[batch]).max())
        if not worst <= golden.tolerance:  # NaN fails as well
            raise CardError(
                f"{card.id}: golden vectors differ by {worst:.2g} on {run.name} ({run.device}), "
                f"the card allows {golden.tolerance:.2g}"
            )


def _folders(roots: Sequence[Path]) -> Folders:
    return {root: sorted(filter(_is_version, root.glob("*/*/"))) for root in roots}


def _is_version(folder: Path) -> bool:
    name = folder.parent.name
    return is_version_folder(folder) and name != SPLITS_FOLDER and not name.startswith(".")


def _discover(folders: Folders) -> Iterator[Entry]:
    seen: set[tuple[str, int]] = set()
    for folder in chain.from_iterable(folders.values()):
        key = folder.parent.name, int(folder.name)
        if key not in seen:
            seen.add(key)
            yield Entry(folder, *key, print=_print(folder))


def _root(entry: Entry) -> Path:
    return entry.folder.parent.parent


def _print(folder: Path) -> Print:
    """Changes whenever a file of the folder does, as far as its directory entries tell; hidden files are drafts."""
    found: list[object] = [str(folder)]
    try:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                stat = path.stat()
                found.append((path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except OSError:  # a file that vanishes meanwhile: the next look will see what became of it
        found.append(None)
    return tuple(found)


def _named(entry: Entry, names: Collection[str]) -> bool:
    return entry.name in names or entry.id in names


def _image_s(run: Runtime, card: ModelCard) -> float:
    """Seconds for one black image, the best of a few: the first calls pay for buffers the later ones reuse."""
    image: NDArray[np.uint8] = np.zeros((1, *card.input.shape), dtype=np.uint8)
    times = []
    for _ in range(WARM_UPS):
        started = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - started)
    return min(times)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
