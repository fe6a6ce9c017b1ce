"""What the operators asked of all workers: which models stay unloaded, and which are to be loaded again.

An API call reaches one worker of several, so the wish is kept in a file that all of them look at. It lies in a folder
of this server alone (mode 0700), named after the process that started the workers, and is made at the start, before
anybody else can make it:

    wish.json        see Wish; replaced, never changed
    <pid>.applied    the last generation this worker has carried out, so that an answer can wait for all of them

Each worker remembers the last wish it saw and writes it again where it is gone, as when old files are cleaned away.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from service import parent
from service.card import write_atomically
from service.settings import Settings

PREFIX = "weighbridge-"


@dataclass(frozen=True)
class Wish:
    """`generation` counts the wishes. `unloaded` holds names and `name@version`; `loaded` the versions that are to be
    loaded although their name is not. `again` holds, per name, the generation that asked to load it anew."""

    generation: int = 0
    unloaded: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    again: dict[str, int] = field(default_factory=dict)

    def load(self, name: str) -> Wish:
        """Load `name` or `name@version`, again if need be."""
        loaded = _without(self.loaded, name)
        return replace(
            self._next(),
            unloaded=_without(self.unloaded, name),
            loaded=loaded | {name} if name.partition("@")[0] in self.unloaded and "@" in name else loaded,
            again={**self.again, name: self.generation + 1},
        )

    def unload(self, name: str) -> Wish:
        """Keep `name` or `name@version` unloaded."""
        return replace(self._next(), unloaded=self.unloaded | {name}, loaded=_without(self.loaded, name))

    def rescan(self) -> Wish:
        """Look at the folders."""
        return self._next()

    def unwanted(self, name: str, version: int) -> bool:
        """Whether a version is to stay unloaded; what was said of it counts more than what was said of its name."""
        exact = f"{name}@{version}"
        return exact in self.unloaded or (name in self.unloaded and exact not in self.loaded)

    def forced(self, since: int) -> frozenset[str]:
        """What was asked to be loaded anew after generation `since`."""
        return frozenset(name for name, generation in self.again.items() if generation > since)

    def _next(self) -> Wish:
        return replace(self, generation=self.generation + 1)


class Control:
    """The shared wish of one server. Methods touch files only, and take microseconds."""

    def __init__(self, settings: Settings) -> None:
        models = hashlib.sha256(os.pathsep.join(map(str, settings.models)).encode()).hexdigest()[:8]
        self._shared = settings.workers > 1
        self._folder = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getuid()}-{parent.name()}-{models}"
        self._wish = self._folder / "wish.json"
        self._last = Wish()
        try:
            _make_private(self._folder)
            self._ours = True
        except OSError:  # nowhere to write, or not ours: one worker can do without, as long as nobody wishes anything
            if self._shared:
                raise
            self._ours = False
        self.applied(0)

    def read(self) -> Wish:
        """The wish in force; nothing where the folder is not this server's own."""
        if not self._ours:
            return Wish()
        found = self._found()
        if found.generation < self._last.generation:
            with suppress(OSError):
                _make_private(self._folder)
                self.write(self._last)
            return self._last
        self._last = found
        return found

    def _found(self) -> Wish:
        try:
            found = json.loads(self._wish.read_bytes())
        except FileNotFoundError:
            return Wish()
        return Wish(
            found["generation"], frozenset(found["unloaded"]), frozenset(found["loaded"]), found["again"]
        )

    @contextmanager
    def changing(self) -> Iterator[Wish]:
        """The wish in force, while no other worker changes it."""
        _make_private(self._folder)
        self._ours = True
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.read()

    def write(self, wish: Wish) -> None:
        """Make `wish` the one in force; call it inside `changing`."""
        told = {
            "generation": wish.generation, "unloaded": sorted(wish.unloaded), "loaded": sorted(wish.loaded),
            "again": wish.again,
        }
        write_atomically(self._wish, json.dumps(told).encode())
        self._last = wish

    def applied(self, generation: int) -> None:
        """Tell the other workers that this one has carried out `generation`."""
        if self._shared:
            _make_private(self._folder)
            write_atomically(self._folder / f"{os.getpid()}.applied", str(generation).encode())

    def behind(self, generation: int) -> list[int]:
        """The living workers that have not carried out `generation` yet."""
        late = []
        for path in self._folder.glob("*.applied"):
            pid = int(path.stem)
            if not parent.alive(pid):
                path.unlink(missing_ok=True)
            elif int(path.read_text()) < generation:
                late.append(pid)
        return late

    def tidy(self) -> None:
        """Remove what servers that have ended left behind."""
        for folder in self._folder.parent.glob(f"{PREFIX}{os.getuid()}-*"):
            server = "-".join(folder.name.split("-")[2:4])
            if not parent.lives(server):
                shutil.rmtree(folder, ignore_errors=True)


def _without(names: frozenset[str], name: str) -> frozenset[str]:
    """`names` without `name`, and where that is no exact version without its versions."""
    return frozenset(each for each in names if name not in (each, each.partition("@")[0]))


def _make_private(folder: Path) -> None:
    """A folder that only this user can use; PermissionError where somebody else was quicker."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not private to this user; remove it")
