"""Four things that BentoML's supervisor of the workers, circus, does otherwise than a service needs.

In a container it starts no worker for one that died and leaves that to whoever runs the container, who sees nothing of
it while another worker lives. And it keeps the listening socket open until the last worker has ended, so that clients
who come while answers are being finished wait for nothing instead of being refused and going elsewhere. And it says
nothing of a worker that ended, who was killed and cannot say it himself. And where it is killed itself, its workers
would serve on, unseen and with the port in their hands.
"""

from __future__ import annotations

import logging
import os
import signal
from typing import Any

from bentoml import serving
from bentoml._internal.utils.circus import Arbiter
from circus.watcher import Watcher  # type: ignore[import-untyped]

from service.parent import SUPERVISOR

ORDERLY = (0, -signal.SIGTERM, -signal.SIGINT)  # uvicorn ends by the signal that told it to end
logger = logging.getLogger("weighbridge")


def supervise() -> None:
    """Workers come back everywhere, their ends are told, and an end begins with closing the door.

    Concerns the process above the workers.
    """
    for place, name, ours in REPLACED:
        setattr(place, name, ours)
    os.environ.setdefault(SUPERVISOR, str(os.getpid()))  # the first to come here; workers inherit it, and `follow`


def _stop(arbiter: Any) -> Any:
    arbiter.sockets.close_all()  # the workers close theirs when they are told to end, within a moment
    return _end(arbiter)


def _notify(watcher: Any, topic: str, message: dict[str, Any]) -> None:
    if topic == "reap":
        code, pid = message["exit_code"], message["process_pid"]
        if code in ORDERLY:
            logger.info("worker %d has ended", pid)
        elif code is not None and code < 0:
            logger.error("worker %d was ended by %s", pid, signal.Signals(-code).name)
        else:
            logger.error("worker %d ended with status %s", pid, code)
    _tell(watcher, topic, message)


_end, _tell = Arbiter.stop, Watcher.notify_event
REPLACED: tuple[tuple[Any, str, Any], ...] = (
    (serving, "running_inside_container", lambda: False),  # what `respawn` is made of, and nothing else
    (Arbiter, "stop", _stop),
    (Watcher, "notify_event", _notify),
)
