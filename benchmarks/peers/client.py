"""A light client for one prepared request: at a constant rate, or as fast as answers come. Standard library only.

    python -m benchmarks.peers.client ORDER.json      prints one JSON object

Sockets, epoll and a spinning loop: Python's event loops round timers up to a millisecond, which is longer than the
answers measured here. So it burns a core while it runs, which must be a core of its own. At a constant rate latency
counts from the moment the request was due, so a server that stalls pays for every request that had to wait. An answer
that this client cannot read is its own fault and is counted apart from connections that the server broke.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections import deque
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from benchmarks.load.wire import Reply, ReplyError, parse

MOST_CONNECTIONS = 512
TIMEOUT_NS = 10 * 10**9


class Connection:
    """One keep-alive connection with at most one request under way."""

    __slots__ = ("busy", "due", "seen", "sent", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = self.sent = 0
        self.busy = False
        self.seen = bytearray()

    def send(self, request: bytes, due: int) -> None:
        """Write a whole request; blocks only where it is larger than the socket's buffer."""
        self.due, self.sent = due, perf_counter_ns()
        self.busy = True
        self.seen.clear()
        self.socket.sendall(request)

    def complete(self) -> Reply | None:
        """Read what is there; the answer once it is whole.

        ConnectionError when the server hung up before or spoke unasked, ReplyError for what is no answer.
        """
        data = self.socket.recv(65536)
        if not self.busy:
            raise ConnectionError
        self.seen += data
        try:
            return parse(bytes(self.seen), ended=not data)
        except ReplyError as error:
            if data:
                raise
            raise ConnectionError from error


class Tally:
    """What came of the requests. Times in nanoseconds."""

    def __init__(self) -> None:
        self.latencies: list[int] = []   # from the due time to the whole answer
        self.lags: list[int] = []        # from the due time to the first byte sent
        self.not_200 = 0
        self.broken = 0
        self.unread = 0                  # answers that this client could not make sense of

    def add(self, connection: Connection, reply: Reply, counts: bool) -> None:
        """An answer is whole."""
        self.not_200 += reply.status != 200
        if counts:
            self.latencies.append(perf_counter_ns() - connection.due)
            self.lags.append(connection.sent - connection.due)


def send(address: tuple[str, int], request: bytes, *, rate: float, seconds: float, connections: int,
         warmup: float) -> Tally:
    """`rate` requests a second, or with rate 0 one after the other on each of `connections`."""
    tally, poll = Tally(), select.epoll()
    known: dict[int, Connection] = {}
    idle: deque[Connection] = deque()
    busy = 0

    def connect() -> Connection:
        made = Connection(address)
        known[made.socket.fileno()] = made
        poll.register(made.socket.fileno(), select.EPOLLIN)
        return made

    def drop(connection: Connection) -> None:
        poll.unregister(connection.socket)
        known.pop(connection.socket.fileno()).socket.close()
        if not rate:
            idle.append(connect())

    for _ in range(connections):
        idle.append(connect())
    began = perf_counter_ns()
    counted, ends = began + int(warmup * 1e9), began + int((warmup + seconds) * 1e9)
    total, number = int(rate * (warmup + seconds)), 0
    while True:
        now = perf_counter_ns()
        if now > ends + TIMEOUT_NS:
            tally.broken += busy
            break
        if rate:
            while number < total and (due := began + int(number * 1e9 / rate)) <= now:
                if not idle and len(known) >= MOST_CONNECTIONS:
                    break  # its time still counts from when it was due
                connection = idle.popleft() if idle else connect()
                connection.send(request, due)
                number, busy = number + 1, busy + 1
            if number >= total and not busy:
                break
        else:
            while idle and now < ends:
                idle.popleft().send(request, perf_counter_ns())
                busy += 1
            if now >= ends and not busy:
                break
        for file, _ in poll.poll(0):
            connection = known[file]
            try:
                reply = connection.complete()
            except (OSError, ReplyError) as error:
                if connection.busy:
                    busy -= 1
                    tally.unread += isinstance(error, ReplyError)
                    tally.broken += isinstance(error, OSError)
                else:
                    idle.remove(connection)
                drop(connection)
                continue
            if reply is not None:
                connection.busy, busy = False, busy - 1
                tally.add(connection, reply, connection.due >= counted and (bool(rate) or perf_counter_ns() <= ends))
                if reply.closes:
                    drop(connection)
                else:
                    idle.append(connection)
    for connection in known.values():
        connection.socket.close()
    return tally


def percentile(ordered: list[int], share: float) -> float | None:
    """A value of an ascending list, nanoseconds as microseconds."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000, 1) if ordered else None


def main(arguments: list[str]) -> int:
    """Carry out one order."""
    order: dict[str, Any] = json.loads(Path(arguments[0]).read_text())
    tally = send(
        (order["host"], order["port"]), Path(order["request"]).read_bytes(), rate=order["rate"],
        seconds=order["seconds"], connections=order["connections"], warmup=order["warmup"],
    )
    latencies, lags = sorted(tally.latencies), sorted(tally.lags)
    sys.stdout.write(json.dumps({
        "requests": len(latencies), "seconds": order["seconds"], "not_200": tally.not_200, "broken": tally.broken,
        "unread": tally.unread, "timeouts": 0, "p50_us": percentile(latencies, 0.5),
        "p99_us": percentile(latencies, 0.99), "lag_p99_us": percentile(lags, 0.99),
    }) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
