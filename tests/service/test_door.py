"""Workers that share a listening socket share the clients who come to it."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil
import pytest
from process import START_S, running

from service.door import MOST, Door


class Seen(asyncio.Protocol):
    """Counts who comes in at one door."""

    def __init__(self, door: list[Seen]) -> None:
        self.ended = False
        door.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def shutdown(self) -> None:
        self.ended = True


def listening() -> socket.socket:
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.listen(256)
    return found


def connected(to: socket.socket, count: int) -> list[socket.socket]:
    return [socket.create_connection(to.getsockname()) for _ in range(count)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def in_a_loop(story: Callable[[socket.socket], Awaitable[None]]) -> None:
    socket_ = listening()
    try:
        asyncio.run(story(socket_))  # type: ignore[arg-type]
    finally:
        socket_.close()


def test_clients_who_come_together_are_shared_between_two_doors() -> None:
    async def story(found: socket.socket) -> None:
        left: list[Seen] = []
        right: list[Seen] = []
        clients = connected(found, 16)
        other = found.dup()
        doors = [Door(found, lambda: Seen(left)), Door(other, lambda: Seen(right))]
        await until(lambda: len(left) + len(right) == 16)
        for door in doors:
            door.close()
        for each in (*clients, other):
            each.close()
        assert min(len(left), len(right)) >= 5, (len(left), len(right))

    in_a_loop(story)


def test_one_door_takes_everybody_when_nobody_else_does() -> None:
    async def story(found: socket.socket) -> None:
        inside: list[Seen] = []
        clients = connected(found, 3 * MOST)
        door = Door(found, lambda: Seen(inside))
        await until(lambda: len(inside) == 3 * MOST)
        door.close()
        await door.wait_closed()
        for client in clients:
            client.close()

    in_a_loop(story)


def test_a_closed_door_takes_nobody_and_leaves_those_inside_alone() -> None:
    async def story(found: socket.socket) -> None:
        inside: list[Seen] = []
        door = Door(found, lambda: Seen(inside))
        first = connected(found, 1)
        await until(lambda: len(inside) == 1)
        door.close()
        late = connected(found, 1)
        await asyncio.sleep(0.05)
        assert (len(inside), inside[0].transport.is_closing(), inside[0].ended) == (1, False, False)
        for client in (*first, *late):
            client.close()

    in_a_loop(story)


def test_a_door_without_room_tries_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """A socket that has no file left for the first client."""

        def __init__(self, behind: socket.socket) -> None:
            self.behind, self.tries = behind, 0

        def accept(self) -> tuple[socket.socket, object]:
            self.tries += 1
            if self.tries == 1:
                raise OSError(errno.EMFILE, "Too many open files")
            return self.behind.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self.behind, name)

    monkeypatch.setattr("service.door.PAUSE_S", 0.01)

    async def story(found: socket.socket) -> None:
        inside: list[Seen] = []
        full = Full(found)
        door = Door(full, lambda: Seen(inside))  # type: ignore[arg-type]
        clients = connected(found, 1)
        await until(lambda: len(inside) == 1)
        assert full.tries >= 2
        door.close()
        clients[0].close()

    in_a_loop(story)


@pytest.mark.slow
def test_two_workers_share_the_clients_of_one_pool(models: Path, tmp_path: Path) -> None:
    with running(models, tmp_path, WEIGHBRIDGE_WORKERS="2", WEIGHBRIDGE_DEFAULT_MODEL="toy") as process:
        deadline = time.monotonic() + START_S
        while "weighbridge_workers 2.0" not in httpx.get(f"{process.url}/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        port = httpx.URL(process.url).port
        assert port is not None
        held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(32)]
        try:
            for client in held:
                client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            answers = [client.recv(1000) for client in held]
            counts = [
                sum(1 for each in child.net_connections() if each.laddr.port == port and each.status == "ESTABLISHED")
                for child in psutil.Process(process.popen.pid).children(recursive=True)
            ]
        finally:
            for client in held:
                client.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert (sum(counts), max(counts) < 32) == (32, True)
