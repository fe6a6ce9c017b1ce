"""The operator's file of routes: names that stand wherever a model's name does, and what happens behind them.

    {"routes": {
        "production": {"champion": "fm-fast@1"},
        "trial":      {"champion": "fm-fast", "shadow": {"model": "fm000-tinyvgg", "share": 0.1}},
        "frugal":     {"cascade": {"small": "fm000-tinyvgg", "large": "fm-fast", "threshold": 0.9}}}}

JSON, or the same as TOML, by the file's suffix. It is WEIGHBRIDGE_ROUTES, else the first `routing.json` or
`routing.toml` in a model root. Inside, names are always models and never routes, so a route may carry a model's name
to pin it, and no route can lead in a circle. A file that cannot be used leaves the routes before it in force. Where
there were none, as at the start, any name may be one that it pins, so none is answered until the file can be read.
"""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from service.card import Name
from service.problems import Problem
from service.settings import Settings

FILES = ("routing.json", "routing.toml")
Reference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8})?$")]
logger = logging.getLogger("weighbridge")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shadow(_Strict):
    """A challenger that gets a copy of `share` of the requests, and whose answers are only compared."""

    model: Reference = Field(description="`name` or `name@version`")
    share: float = Field(gt=0, le=1, description="of the requests")


class Cascade(_Strict):
    """`small` answers an image when its top probability reaches `threshold`, else `large` does."""

    small: Reference = Field(description="`name` or `name@version`")
    large: Reference = Field(description="`name` or `name@version`")
    threshold: float = Field(ge=0, le=1, description="chosen by the operator on a validation split")


class Route(_Strict):
    """A champion, perhaps with a shadow; or a cascade."""

    champion: Reference | None = Field(default=None, description="the model that answers")
    shadow: Shadow | None = None
    cascade: Cascade | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.champion is None) == (self.cascade is None):
            raise ValueError("a route has either a champion or a cascade")
        if self.shadow is not None and self.champion is None:
            raise ValueError("only a champion can have a shadow")
        return self


class RouteFile(_Strict):
    """The whole file."""

    routes: dict[Name, Route]


class RouteError(ValueError):
    """The file of routes cannot be used; the message names it, the place and the reason."""


class Unread(Mapping[str, Route]):
    """Routes that nobody knows. Looking up a name is Problem "not-ready"; `name@version` can be no route."""

    def __init__(self, problem: str) -> None:
        self.problem = problem

    def __getitem__(self, name: str) -> Route:
        if "@" in name:
            raise KeyError(name)
        raise Problem("not-ready", f"the routes are not known, and one may pin {name}: {self.problem}", field="model",
                      cure="ask for an exact name@version, or mend the file and reload")

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True  # "no routes" would let every name pass


class RouteBook:
    """The routes in force. `problem` says why the file as it is now is not, where it is not."""

    def __init__(self, settings: Settings) -> None:
        self.routes: Mapping[str, Route] = {}
        self.problem: str | None = None
        self.path: Path | None = None
        self.known = False  # whether a file was read, or there was none
        self._settings = settings

    def read(self) -> None:
        """Take over what the file says now; never raises."""
        before = self.problem
        try:
            path = find_file(self._settings)
            if path is None and self.path is not None and _away(self.path.parent):
                raise RouteError(f"{self.path}: its folder is missing or empty")
            self.routes = read_routes(path) if path else {}
            self.path, self.problem, self.known = path, None, True
        except RouteError as error:
            self.problem = str(error)
            if not self.known:
                self.routes = Unread(self.problem)
        if self.problem != before:  # not again at every look
            if self.problem is None:
                logger.info("the routes of %s are in force", self.path)
            else:
                logger.error("the file of routes cannot be used, and %s: %s", "the routes before it stay in force"
                             if self.known else "no name is answered until it can", self.problem)


def _away(folder: Path) -> bool:
    """Whether a folder looks as if its disk were not mounted, which is no order to forget the routes in it."""
    return not folder.is_dir() or not any(folder.iterdir())


def find_file(settings: Settings) -> Path | None:
    """The file of routes, or None where there is none."""
    if settings.routes is not None:
        return settings.routes
    return next((root / name for root in settings.models for name in FILES if (root / name).is_file()), None)


def read_routes(path: Path) -> dict[str, Route]:
    """The routes of a file by name; RouteError names the file, the place and the reason."""
    try:
        text = path.read_text()
        raw = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        return RouteFile.model_validate(raw).routes
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise RouteError(f"{path}: {reasons}") from error
    except (OSError, ValueError) as error:
        raise RouteError(f"{path}: unreadable: {error}") from error
