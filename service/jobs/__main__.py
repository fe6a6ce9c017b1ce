"""Work off the jobs of a folder; started by a worker, which writes the settings to standard input and keeps it open."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from service.jobs.runner import work
from service.settings import Settings


def main() -> int:
    """Until there is no work, or standard input ends because the worker has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the worker's end is what counts
    settings = Settings.read(json.loads(sys.stdin.readline()))
    threading.Thread(target=_watch, daemon=True).start()
    work(settings)
    return 0


def _watch() -> None:
    sys.stdin.read()
    os._exit(0)  # at once and in the middle of anything: a job that was begun can always be resumed


if __name__ == "__main__":
    sys.exit(main())
