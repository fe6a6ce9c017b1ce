"""Two things that BentoML's supervisor of the workers, circus, does otherwise than a service needs.

In a container it starts no worker for one that died and leaves that to whoever runs the container, who sees nothing of
it while another worker lives. And it keeps the listening socket open until the last worker has ended, so that clients
who come while answers are being finished wait for nothing instead of being refused and going elsewhere.
"""

from __future__ import annotations

from typing import Any

from bentoml import serving
from bentoml._internal.utils.circus import Arbiter


def supervise() -> None:
    """Workers come back everywhere, and an end begins with closing the door. Concerns the process above the workers."""
    for place, name, ours in REPLACED:
        setattr(place, name, ours)


def _stop(arbiter: Any) -> Any:
    arbiter.sockets.close_all()  # the workers close theirs when they are told to end, within a moment
    return _end(arbiter)


_end = Arbiter.stop
REPLACED: tuple[tuple[Any, str, Any], ...] = (
    (serving, "running_inside_container", lambda: False),  # what `respawn` is made of, and nothing else
    (Arbiter, "stop", _stop),
)
