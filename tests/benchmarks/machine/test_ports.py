"""A port that is still free when its server wants it."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from benchmarks.machine import ports
from benchmarks.machine.ports import PORTS, free_port

TUNED = Path("/proc/sys/net/ipv4/ip_local_port_range")


@pytest.mark.skipif(TUNED.exists() and int(TUNED.read_text().split()[0]) < PORTS.stop,
                    reason="this machine gives connections going out lower ports than Linux does of itself")
def test_a_free_port_can_be_listened_on_and_is_given_to_no_connection_going_out() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        with socket.create_connection(server.getsockname()) as out:
            taken = out.getsockname()[1]

        assert server.getsockname()[1] in PORTS
        assert taken not in PORTS


def test_two_processes_with_the_same_seed_are_not_given_the_same_ports() -> None:
    given = []
    for _ in range(2):
        random.seed(0)
        given.append([free_port() for _ in range(4)])

    assert given[0] != given[1]


def test_a_port_that_somebody_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken, socket.socket() as unused:
        unused.bind(("127.0.0.1", free_port()))
        one, other = taken.getsockname()[1], unused.getsockname()[1]
        unused.close()
        monkeypatch.setattr(ports, "PORTS", range(min(one, other), max(one, other) + 1, abs(one - other)))

        assert {free_port() for _ in range(20)} == {other}


def test_when_every_port_is_taken_it_is_said_which(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "PORTS", range(port, port + 1))

        with pytest.raises(OSError, match=f"no port of {port} to {port} is free"):
            free_port()
