"""Every setting of the service: the only reader of the environment, read once, typed, with its range.

A wrong value stops the start with one sentence that names the variable, the value and what is allowed, and so does a
variable of ours that nobody reads: a slip of the pen must not start a server without its keys. The table in
docs/settings.md is printed from here:

    python -m service settings
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, get_args

from service.cpu import usable_cores
from service.runtimes import RUNTIMES

PREFIX = "WEIGHBRIDGE_"
BODIES = 4  # of the largest size that a worker takes in at once, unless it is told otherwise
BUNDLED_MODELS = Path(__file__).parent.parent / "models"
OTHERS = (  # who else reads variables of ours
    "URL", "API_KEY",                    # the command line
    "DATA", "CACHE", "RUNS",             # training
    "IMAGE",                             # the Compose file
    "CONTAINER_TEST", "TEST_COMPILERS",  # tests
)
NEVER_EMPTY = ("api_keys",)  # empty is what a secret that did not arrive looks like, and would leave the door open
# Kubernetes and Docker tell every container of its neighbours: a Service of our name gives it WEIGHBRIDGE_SERVICE_HOST,
# WEIGHBRIDGE_PORT_3000_TCP_ADDR and more.
NEIGHBOUR = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)")

Resize = Literal["fit", "exact"]
Device = Literal["auto", "cpu", "cuda"]


class SettingError(ValueError):
    """An environment variable holds a value that is not allowed, or is none that anybody reads; the message says it."""


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


def _path(text: str) -> Path:
    if not text:
        raise ValueError
    return Path(text).expanduser()


_SWITCH = _Kind(_switch, "true or false")
_PATHS = _Kind(_paths, f"folders separated by {os.pathsep!r}")
_FILE = _Kind(_path, "a file")
_FOLDER = _Kind(_path, "a folder")
_NAME = _Kind(str, "a model name, or name@version")


def _row(kind: _Kind, about: str, default: str | None = None) -> dict[str, Any]:
    """What the table says of a setting; `default` where the value itself would tell less."""
    return {"kind": kind, "about": about, "default": default}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the service was told. Field `max_pixels` is the variable WEIGHBRIDGE_MAX_PIXELS, and so on."""

    models: tuple[Path, ...] = field(
        default=(BUNDLED_MODELS,),
        metadata=_row(_PATHS, "model roots; the first that has a `name/version` wins", "`models/` beside `service/`"),
    )
    default_model: str = field(
        default="",
        metadata=_row(_NAME, "answers when a request names no model", "`fm-fast`, else the first by name"),
    )
    routes: Path | None = field(
        default=None,
        metadata=_row(_FILE, "routes: champion, shadow, cascade; see docs/models.md", "`routing.json` in a model root"),
    )
    control: bool = field(
        default=False,
        metadata=_row(_SWITCH, "whether models may be loaded, unloaded and reloaded through the API", "false"),
    )
    watch_s: float = field(
        default=0.0, metadata=_row(_number(0, 86400), "seconds between looks at the model roots for changes; 0: never")
    )
    runtime: str = field(
        default="onnxruntime",
        metadata=_row(_choice(*RUNTIMES), "executes the graphs when a request names no runtime"),
    )
    device: Device = field(
        default="auto",
        metadata=_row(_choice(*get_args(Device)), "`auto` takes CUDA where a session really opens on it"),
    )
    threads: int = field(default=1, metadata=_row(_whole(1, 256), "intra-op threads of each model"))
    workers: int = field(default=1, metadata=_row(_whole(1, 256), "server processes; each loads every model"))
    concurrency: int = field(
        default_factory=usable_cores,
        metadata=_row(_whole(1, 256), "batches that may run at once in one worker", "cores this process may use"),
    )
    inline_ms: float = field(
        default=0.5,
        metadata=_row(
            _number(0, 1000), "shorter work runs on the event loop; 20 ms where a worker has one core; 0: never"
        ),
    )
    max_batch: int = field(
        default=32,
        metadata=_row(_whole(1, 4096), "images of several requests that may share one call; 1 turns batching off"),
    )
    max_wait_ms: float = field(
        default=0.0,
        metadata=_row(_number(0, 1000), "how long an idle thread waits for a batch to fill, where batching pays"),
    )
    max_waiting: int = field(
        default=256,
        metadata=_row(
            _whole(1, 100_000), "requests that may wait for one model, or for decoding, until new ones get 503"
        ),
    )
    timeout_s: float = field(
        default=30.0,
        metadata=_row(_number(0.1, 3600), "seconds to read a request (else 408), and to wait for a result (else 504)"),
    )
    max_body_bytes: int = field(default=32 * 2**20, metadata=_row(_whole(1024, 2**32), "largest request body"))
    max_bodies_bytes: int | None = field(
        default=None,
        metadata=_row(_whole(1024, 2**40), "bodies that one worker holds at once, together; beyond it 503; never less "
                                           "than one", "4 × `WEIGHBRIDGE_MAX_BODY_BYTES`"),
    )
    max_images: int = field(default=256, metadata=_row(_whole(1, 100_000), "images in one /predict"))
    max_pixels: int = field(
        default=25_000_000,
        metadata=_row(_whole(1, 10**9), "pixels of one encoded image, read from its header before it is decoded"),
    )
    resize: Resize = field(
        default="fit",
        metadata=_row(
            _choice(*get_args(Resize)),
            "`fit` scales an encoded image to the model's size and says so; `exact` refuses another size",
        ),
    )
    max_evaluate_images: int = field(default=100_000, metadata=_row(_whole(1, 10**7), "images in one /evaluate"))
    max_evaluations: int = field(
        default=1, metadata=_row(_whole(1, 64), "evaluations at once in one worker; more get 503")
    )
    evaluate_at_once: int = field(
        default=10_000, metadata=_row(_whole(1, 10**7), "an /evaluate of more images becomes a job, unless it says")
    )
    jobs: Path = field(
        default_factory=lambda: Path.home() / ".local" / "state" / "weighbridge" / "jobs",
        metadata=_row(_FOLDER, "where jobs are kept over restarts; servers may share it, whatever their models",
                      "`~/.local/state/weighbridge/jobs`"),
    )
    job_share: float = field(
        default=0.0,
        metadata=_row(_number(0, 1), "what jobs get of a core that /predict wants, as a part of what it gets; 0: only "
                                     "what is left over"),
    )
    job_limit_s: float = field(
        default=3600.0, metadata=_row(_number(1, 10**6), "seconds that a job may work before it is marked failed")
    )
    max_jobs: int = field(
        default=100, metadata=_row(_whole(1, 100_000), "jobs that are remembered; finished ones make room, else 503")
    )
    max_jobs_bytes: int = field(
        default=2**30, metadata=_row(_whole(2**20, 2**50), "uploads and results of all jobs together; beyond it 503")
    )
    keep_jobs_s: float = field(
        default=604_800.0, metadata=_row(_number(60, 10**9), "seconds that a finished job is remembered")
    )
    api_keys: Path | None = field(
        default=None,
        metadata=_row(_FILE, "only who holds a key is answered; `python -m service keys add NAME` makes one", "none"),
    )
    open_metrics: bool = field(
        default=False, metadata=_row(_SWITCH, "whether /metrics answers without a key, where keys are wanted", "false")
    )
    leaderboard: Path | None = field(
        default=None,
        metadata=_row(_FILE, "what was measured of the models, for the page; `python -m benchmarks.board` makes it",
                      "`leaderboard.json` in a model root"),
    )
    reports: tuple[Path, ...] = field(
        default=(BUNDLED_MODELS.parent / "benchmarks" / "runs", BUNDLED_MODELS.parent / "runs"),
        metadata=_row(_PATHS, "where the page finds HTML reports of weighing and training",
                      "`benchmarks/runs` and `runs` beside `service/`"),
    )
    page_load: bool | None = field(
        default=None,
        metadata=_row(_SWITCH, "whether the page offers to send a short load", "true, but false with API keys"),
    )
    log_level: str = field(
        default="info",
        metadata=_row(_choice("debug", "info", "warning", "error"), "what is told of models, keys, routes and workers"),
    )
    access_log: bool = field(
        default=False, metadata=_row(_SWITCH, "one JSON line per request on standard output", "false")
    )

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Settings from `environ`; SettingError for the first value that is not allowed, or variable that is unknown.

        Empty means unset, but for NEVER_EMPTY.
        """
        _refuse_unknown(environ)
        return cls(**{
            entry.name: _parse(variable, environ[variable], entry.metadata["kind"])
            for entry in fields(cls)
            if environ.get(variable := PREFIX + entry.name.upper())
            or (entry.name in NEVER_EMPTY and variable in environ)
        })

    @property
    def bodies_bytes(self) -> int:
        """What `max_bodies_bytes` comes to: room for one body of the largest size at least."""
        return max(self.max_bodies_bytes or BODIES * self.max_body_bytes, self.max_body_bytes)

    @classmethod
    def of_server(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """`read`, for who opens a port. A client's key where the file of keys is missing is a slip, and refused."""
        found = cls.read(environ)
        if found.api_keys is None and environ.get(PREFIX + "API_KEY"):
            raise SettingError(f"{PREFIX}API_KEY is what a client sends, and without {PREFIX}API_KEYS this server "
                               "would answer everybody; set that one, or unset this one")
        return found

    def environ(self) -> dict[str, str]:
        """The variables that `read` would make these settings from, for another process."""
        return {
            PREFIX + entry.name.upper(): _text(value)
            for entry in fields(self) if (value := getattr(self, entry.name)) not in (None, "")
        }


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = [*(entry.name.upper() for entry in fields(Settings)), *OTHERS]
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if name == variable or not environ[variable] or name in known or NEIGHBOUR.fullmatch(name):
            continue
        near = get_close_matches(name, known, n=1)
        cure = f"did you mean {PREFIX}{near[0]}?" if near else "`python -m service settings` lists them"
        raise SettingError(f"{variable} is no setting; {cure}")


def _text(value: Any) -> str:
    return os.pathsep.join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Address:
    """Where the command line finds a server: WEIGHBRIDGE_URL, and who it says it is: WEIGHBRIDGE_API_KEY."""

    url: str = "http://localhost:3000"
    api_key: str | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """From `environ`; empty means unset."""
        return cls(environ.get(PREFIX + "URL") or cls.url, environ.get(PREFIX + "API_KEY") or None)


def telemetry(environ: Mapping[str, str] | None = None) -> str | None:
    """The exporter of traces that OpenTelemetry's own variables ask for: "otlp", "console", ...; None for none."""
    environ = os.environ if environ is None else environ
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    named = environ.get("OTEL_TRACES_EXPORTER", "").split(",")[0].strip()
    if named:
        return None if named == "none" else named
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return "otlp" if any(environ.get(endpoint) for endpoint in endpoints) else None


def _parse(variable: str, text: str, kind: _Kind) -> Any:
    try:
        return kind.parse(text.strip())
    except (ValueError, KeyError):
        raise SettingError(f"{variable}={text!r} is not allowed; it must be {kind.allowed}") from None


def table() -> str:
    """The settings as a Markdown table: variable, default, allowed values, meaning."""
    unset = Settings.read({})
    rows = ["| Variable | Default | Allowed | Meaning |", "|---|---|---|---|"]
    for entry in fields(Settings):
        row = entry.metadata
        default = row["default"] or f"`{getattr(unset, entry.name)}`"
        rows.append(f"| `{PREFIX}{entry.name.upper()}` | {default} | {row['kind'].allowed} | {row['about']} |")
    return "\n".join(rows)
