"""GET /leaderboard: what was measured of the models under load, from a file that `python -m benchmarks.board` writes.

The server measures nothing itself, and knows the models' accuracy and size from their cards; this file brings latency,
throughput and capacity, with the machine they were measured on. Each row names the file it was measured with by its
hash, so that the page can say where another one is served. A decision's command names the root in which this server
has the model, which need not be that of the machine that decided.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.settings import Settings
from service.state import state_of

FILE = "leaderboard.json"
SCHEMA_VERSION = 1
MOST_BYTES = 2**22
ROOT = re.compile(r"\bWEIGHBRIDGE_MODELS=\S+")

Bounds = Annotated[tuple[float, float], Field(description="low and high")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Part):
    """One measured number with its 95 % interval."""

    value: float
    interval: Bounds | None = None


class Row(_Part):
    """One configuration: a model, how it was run, and what came of it."""

    model: str = Field(description="name@version")
    sha256: str = Field(description="of the file that was run")
    runtime: str
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    batching: str | None = Field(default=None, description="in words, where it is not the service's usual way")
    p50_ms: Figure | None = None
    p99_ms: Figure | None = None
    rate: float | None = Field(default=None, description="requests/s at which the two were measured")
    half_of: Literal["closed-loop throughput", "capacity"] | None = Field(default=None, description="what `rate` is")
    throughput: Figure | None = Field(default=None, description="requests/s of a closed load")
    capacity: Bounds | None = Field(default=None, description="highest rate that kept the objective; lowest that broke")
    ended_by: Literal["generator", "machine"] | None = Field(
        default=None, description="what broke the second rate, where it was not the server"
    )
    objective: str | None = Field(default=None, description="that the capacity keeps, as p99 ≤ 20 ms")
    core_seconds: float | None = Field(default=None, description="of one core, per million predictions at capacity")
    reason: str | None = Field(default=None, description="why there is no capacity")


class Decision(_Part):
    """What a weighing recommended, in its own words."""

    dataset: str = Field(default="", description="whose images were sent")
    recommended: str
    sentence: str
    because: list[str]
    trades: list[str] = Field(default=[], description="what else fits: more accurate for more, or cheaper for less")
    caveats: list[str] = Field(default=[], description="what whoever deploys it should know")
    command: str
    pinned_to: list[int] | None = Field(default=None, description="cores that its server was held to")
    objective: str
    min_accuracy: float
    rate: float = Field(description="requests/s that were expected")


class Board(_Part):
    """What was measured on one machine."""

    machine: str
    cores: str | None = Field(default=None, description="which of them the server had, and which the generator")
    load: str | None = Field(default=None, description="how latency was measured")
    measured: str = Field(description="ISO date")
    commit: str | None = None
    command: list[str]
    rows: list[Row]
    decisions: list[Decision] = Field(default=[], description="one per data set")


class BoardFile(_Part):
    """The file."""

    schema_version: int = SCHEMA_VERSION
    boards: list[Board]


class Leaderboard(_Part):
    """Every machine that results are known of; `problem` says why there are none."""

    boards: list[Board]
    problem: str | None = None


async def leaderboard(request: Request) -> Response:
    """Answer GET /leaderboard."""
    found = await run_in_threadpool(read, state_of(request).settings)
    return Response(found.model_dump_json(exclude_none=True), media_type="application/json")


def read(settings: Settings) -> Leaderboard:
    """The file that the settings name, else the first in a model root. Read each time: it is small and may change."""
    paths = [settings.leaderboard] if settings.leaderboard else [root / FILE for root in settings.models]
    path: Path | None = next((each for each in paths if each.is_file()), None)
    if path is None:
        return Leaderboard(boards=[], problem="nothing was measured yet: `python -m benchmarks --publish` measures, "
                           "`python -m benchmarks.board` writes the file")
    try:
        if path.stat().st_size > MOST_BYTES:
            return Leaderboard(boards=[], problem=f"{path.name} has more than {MOST_BYTES} bytes")
        file = BoardFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        return Leaderboard(boards=[], problem=f"{path.name} cannot be read: {str(error)[:300]}")
    if file.schema_version != SCHEMA_VERSION:
        return Leaderboard(boards=[], problem=f"{path.name} has schema_version {file.schema_version}, this release "
                           f"reads {SCHEMA_VERSION}; write it again")
    return Leaderboard(boards=[_here(board, settings) for board in file.boards])


def _here(board: Board, settings: Settings) -> Board:
    """The board with commands that find their models where this server does."""
    return board.model_copy(update={"decisions": [
        each.model_copy(update={"command": _command(each, settings)}) for each in board.decisions
    ]})


def _command(decision: Decision, settings: Settings) -> str:
    name, _, version = decision.recommended.partition("@")
    root = next((root for root in settings.models if (root / name / version).is_dir()), None)
    if root is None:
        return decision.command  # it is not here; the reader may have the root that was weighed
    here = Path.cwd()
    near = root.resolve().relative_to(here) if root.resolve().is_relative_to(here) else root
    return ROOT.sub(lambda _: f"WEIGHBRIDGE_MODELS={shlex.quote(str(near))}", decision.command)
