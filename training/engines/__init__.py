"""Where the tasks of a campaign are trained: in processes of this machine, or on the nodes of a Ray cluster.

    engine.py    what an engine is
    local.py     processes of this machine; the default
    cluster.py   `--engine ray`: the head's side, which keeps all runs
    node.py      what a node of the cluster does with one task
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.engines.cluster import Cluster
from training.engines.engine import Engine, Event
from training.engines.local import Pool
from training.loop import Task
from training.plan import How

# Each takes tasks, how to run them, and the time of time.monotonic() after which none is begun.
ENGINES: dict[str, Callable[[Sequence[Task], How, float], Engine]] = {"local": Pool.sharing, "ray": Cluster}

__all__ = ["ENGINES", "Engine", "Event"]
