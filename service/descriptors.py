"""How many files and connections this process may have open: as many as the system allows it at most."""

from __future__ import annotations

import contextlib
import resource


def raise_limit() -> None:
    """Raise the soft limit of open files to the hard one. Shells set 1,024, fewer than a server may have clients.

    A process that comes to it can neither take a connection nor read a file; the soft limit only guards programs that
    use select().
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems have a lower one that they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
