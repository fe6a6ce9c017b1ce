"""A port for a server that is about to start."""

from __future__ import annotations

import random
import socket

# What Linux (32,768 and up) and macOS (49,152 and up) give to connections that go out lies above: a port from there may
# be somebody's by the time a server has loaded its models and wants it.
PORTS = range(15_000, 32_768)
TRIES = 1000

_numbers = random.SystemRandom()  # whoever seeds `random` must not give two processes the same port


def free_port() -> int:
    """A TCP port that nobody listens on, and that no connection going out is given; OSError when none is found."""
    refused: OSError | None = None
    for port in (_numbers.choice(PORTS) for _ in range(TRIES)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                refused = error
            else:
                return port
    raise OSError(f"no port of {PORTS[0]} to {PORTS[-1]} is free on 127.0.0.1") from refused
