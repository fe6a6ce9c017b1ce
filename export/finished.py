"""Which run of a recipe is exported: the clean protocol's best on validation, else one under the report's protocol."""

from __future__ import annotations

from pathlib import Path

from training.protocol import PROTOCOLS
from training.runs import Run, RunError, find_run


def finished_run(name: str, root: Path | None = None) -> Run | None:
    """The run, or None when there is none of either protocol."""
    for protocol in PROTOCOLS:  # clean comes first
        try:
            return find_run(name, root=root, protocol=protocol)
        except RunError:
            continue
    return None
