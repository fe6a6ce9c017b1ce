"""API keys: who may ask, where WEIGHBRIDGE_API_KEYS names a file of them.

    python -m service keys add NAME [FILE]     makes a key, prints it once, stores its hash
    python -m service keys list [FILE]
    python -m service keys remove NAME [FILE]

The file has a line `name:sha256` per key, so that whoever reads it cannot ask. A key is 256 random bits and not a
password: nobody can guess it from its hash, and a slow or salted hash, which exists to make guessing expensive, would
only make every request expensive. Every comparison takes the same time, however much of a key is right.

A change of the file holds from the next second on. While it cannot be read, the keys known before still count, and it
is tried again every second.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import time
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from service.card import write_atomically
from service.problems import Problem
from service.settings import SettingError, Settings
from service.trouble import Trouble

PREFIX = "wb_"     # so that a key is known for one wherever it turns up
LOOK_S = 1.0       # seconds between two looks at the file
ALWAYS_OPEN = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LINE = re.compile(rf"({NAME.pattern}):([0-9a-f]{{64}})")
CHALLENGE = 'Bearer realm="weighbridge"'
logger = logging.getLogger("weighbridge")


class Keyring:
    """The hashes of a file, kept current."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = _stamp(path)  # before what it tells of is read: a change in between must be seen later
        self._hashes = read_keys(path)
        self._next_look = time.monotonic() + LOOK_S
        self._trouble = Trouble("reading the changed API keys")

    def holds(self, key: bytes) -> bool:
        """Whether `key` is one of ours. Takes the same time for every key."""
        if time.monotonic() >= self._next_look:
            self._look()
        digest = hashlib.sha256(key).digest()
        found = False
        for known in self._hashes.values():
            found |= hmac.compare_digest(digest, known)
        return found

    def _look(self) -> None:
        self._next_look = time.monotonic() + LOOK_S
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            try:
                self._hashes = read_keys(self.path)
            except SettingError as error:
                self._trouble.tell(error)
                return  # whoever may read a file can change without the stamp: it is tried at every look
            self._stamp = stamp
            logger.info("API keys read again: %d", len(self._hashes))
        self._trouble.over()


class Guarded:
    """Answers only those who hold a key. What a supervisor must reach stays open, as do `pages`, which ask for one."""

    def __init__(
        self, app: ASGIApp, *, settings: Settings, keyring: Keyring | None, pages: frozenset[str] = frozenset()
    ) -> None:
        self.app = app
        self.keyring = keyring
        self.open = ALWAYS_OPEN | pages | ({"/metrics"} if settings.open_metrics else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or Problem "unauthorized"."""
        keyring = self.keyring
        if keyring is not None and scope["type"] == "http" and scope["path"] not in self.open:
            key = _presented(scope)
            if key is None or not keyring.holds(key):
                raise Problem(
                    "unauthorized", "the request holds no API key" if key is None else "the API key is not known here",
                    field="Authorization", cure="send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
                    challenge=CHALLENGE,
                )
        await self.app(scope, receive, send)


def _presented(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            key: bytes = value
            return key.strip()
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:]).strip()
    return None


def read_keys(path: Path) -> dict[str, bytes]:
    """Name to hash; empty lines and lines that start with # are left out. SettingError names the line at fault."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"WEIGHBRIDGE_API_KEYS={str(path)!r} cannot be read: {error}; "
                           "`python -m service keys add NAME` makes the file") from None
    found: dict[str, bytes] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None or match[1] in found:
            raise SettingError(f"{path}, line {number}: " + (
                "not `name:sha256 of the key`" if match is None else f"{match[1]} is there twice"))
        found[match[1]] = bytes.fromhex(match[2])
    return found


def add_key(path: Path, name: str) -> str:
    """A new key for `name`; its hash is stored, the key itself is not. ValueError where there is one already."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name: letters, digits, dots, dashes and underscores, 64 at most")
    known = read_keys(path) if path.exists() else {}
    if name in known:
        raise ValueError(f"{name} has a key already; remove it first, or take another name")
    key = PREFIX + secrets.token_urlsafe(32)
    _write(path, {**known, name: hashlib.sha256(key.encode()).digest()})
    return key


def remove_key(path: Path, name: str) -> None:
    """Forget the key of `name`; ValueError where there is none."""
    known = read_keys(path)
    if known.pop(name, None) is None:
        raise ValueError(f"{path} has no key of {name!r}")
    _write(path, known)


def _write(path: Path, known: dict[str, bytes]) -> None:
    write_atomically(path, "".join(f"{name}:{digest.hex()}\n" for name, digest in sorted(known.items())).encode())
    path.chmod(0o600)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
