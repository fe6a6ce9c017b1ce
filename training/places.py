"""Where data, caches and runs lie. The only file of the package that reads the environment."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """`$WEIGHBRIDGE_DATA`, or ./data."""
    return Path(os.environ.get("WEIGHBRIDGE_DATA") or "data")


def cache_folder() -> Path:
    """`$WEIGHBRIDGE_CACHE`, or ~/.cache/weighbridge. OSError where there is neither."""
    if said := os.environ.get("WEIGHBRIDGE_CACHE"):
        return Path(said)
    try:
        return Path.home() / ".cache" / "weighbridge"
    except RuntimeError as error:  # a user without a home, as in containers
        raise FileNotFoundError(f"{error} What is kept between runs needs one: say WEIGHBRIDGE_CACHE") from error


def runs_folder() -> Path:
    """`$WEIGHBRIDGE_RUNS`, or ./runs."""
    return Path(os.environ.get("WEIGHBRIDGE_RUNS") or "runs")


def model_roots() -> list[Path]:
    """Where exported models are looked for: `$WEIGHBRIDGE_MODELS`, as a server does, or ./artifacts and ./models."""
    roots = os.environ.get("WEIGHBRIDGE_MODELS") or os.pathsep.join(["artifacts", "models"])
    return [Path(root).expanduser() for root in roots.split(os.pathsep) if root]


def ray_address() -> str:
    """`$RAY_ADDRESS`, or "": Ray looks for a cluster itself."""
    return os.environ.get("RAY_ADDRESS", "")
