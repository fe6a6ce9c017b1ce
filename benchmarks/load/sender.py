"""Sends one load over kept-alive connections: one thread, one loop, nothing between the schedule and the socket.

Everything a request needs is made before the load begins. The loop sends what is due, takes what has arrived, and
sleeps until the next moment; replies are read while nothing is due. Connections take turns, so that a server of
several processes finds its load spread over all of them.

A connection that the server closed while it was idle costs no request: what was sent over it and drew no single byte
is sent once more over a fresh one, within the same response time. Runs in a thread that gevent has not patched.
"""

from __future__ import annotations

import errno
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

from benchmarks.load.clock import Clock, no_timer_slack
from benchmarks.load.payloads import Payloads
from benchmarks.load.plan import Plan
from benchmarks.load.poll import Poll, opener
from benchmarks.load.recorder import Recorder, no_answer
from benchmarks.load.schedule import arrivals, image_order
from benchmarks.load.steadiness import Steadiness
from benchmarks.load.wire import Address, ReplyError, head_of, parse, request

MICROSECONDS = 1_000_000
NAP = 50_000          # microseconds; how long a request to stop may go unnoticed
READING = 300         # microseconds that must be free before a reply is read
MOST_UNREAD = 20_000  # replies; beyond it they are read whatever is due, since memory is not endless either
BURST = 16            # requests sent late in a row before answers are looked after
AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
Due = tuple[int, int]  # intended start in microseconds, position of the body


class _Connection:
    """One socket, and the request that is under way on it."""

    __slots__ = ("arrived", "fresh", "intended", "position", "sent", "socket", "unsent")

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.fresh = True          # has not answered yet
        self.arrived = b""
        self.unsent: memoryview | None = None
        self.intended = self.sent = self.position = 0


class Sender:
    """Sends a plan and writes down what happened; `run` blocks its thread until the last answer.

    `headers` go with every request, beside those of the payloads' protocol.
    """

    def __init__(self, plan: Plan, payloads: Payloads, recorder: Recorder, url: str,
                 headers: Mapping[str, str] | None = None) -> None:
        self.plan, self.recorder = plan, recorder
        recorder.begins = float("inf")  # until the warm-up has ended, everything belongs to it
        self.clock = Clock()
        self.stopping = False
        self.ended = False
        self.steadiness = Steadiness(plan.limit_us)
        self.began = plan.warmup * MICROSECONDS  # when the warm-up ended
        self._count = len(payloads)
        address = Address.parse(url)
        more = {**payloads.protocol.headers, **(headers or {})}
        head = head_of(address, plan.path, payloads.content_type, more)
        self._requests = [request(head, body) for body in payloads.bodies]
        self._open = opener(address, plan.timeout)
        self._poll = Poll()
        self._idle: deque[_Connection] = deque()
        self._busy: dict[int, _Connection] = {}
        self._deadlines: deque[tuple[int, int, int]] = deque()  # when, descriptor, sent
        self._timeout = int(plan.timeout * MICROSECONDS)

    @property
    def decided(self) -> bool:
        """Whether so many requests have missed the objective that nothing can make up for it."""
        return self.plan.most_over is not None and self.recorder.over > self.plan.most_over

    def run(self) -> None:
        """The whole load, once."""
        no_timer_slack()
        try:
            if self.plan.arrival == "closed":
                self._closed_loop()
            else:
                self._open_loop()
            while self._busy:  # every answer is waited for; the timeout bounds the slowest
                self._attend(self.clock.now() + NAP)
        finally:
            self.recorder.begins, self.ended = self.began, True
            for connection in (*self._busy.values(), *self._idle):
                connection.socket.close()
            self._poll.close()

    def account(self) -> dict[str, Any]:
        """What the load's facts should know."""
        return {"warmup": self.steadiness.account(self.began), "stopped_early": self.decided}

    def _open_loop(self) -> None:
        clock, pool = self.clock, self.plan.pool
        burst = 0
        for intended, position in self._schedule():
            while (now := clock.now()) < intended or burst >= BURST:
                burst = 0
                self._attend(intended)
                if self.stopping or self.decided:
                    return
            burst += 1
            if len(self._busy) >= pool:
                self.recorder.drop(intended=intended, now=now, position=position)
            else:
                self._send(intended, position)

    def _schedule(self) -> Iterator[Due]:
        """The warm-up, for as long as it takes, then what is measured: always the same, whenever it begins."""
        plan = self.plan
        assert plan.rate is not None
        assert plan.arrival != "closed"
        images = 1 if plan.same_image else self._count
        least = self.began
        if plan.longest_warmup > 0:
            times = arrivals(plan.arrival, plan.rate, plan.longest_warmup, (plan.seed, 2), plan.dispersion).tolist()
            self.began = plan.longest_warmup * MICROSECONDS
            for intended, position in zip(times, image_order(images, len(times), plan.seed + 1).tolist(), strict=True):
                if intended >= least and self._warm():
                    self.began = float(max(least, intended))
                    break
                yield intended, position
        self._begin()
        times = arrivals(plan.arrival, plan.rate, plan.seconds, plan.seed, plan.dispersion).tolist()
        offset = int(self.began)
        for intended, position in zip(times, image_order(images, len(times), plan.seed).tolist(), strict=True):
            yield offset + intended, position

    def _closed_loop(self) -> None:
        plan, clock = self.plan, self.clock
        positions = cycle(image_order(self._count, self._count, plan.seed).tolist())
        least, most, latest = self.began, plan.longest_warmup * MICROSECONDS, plan.latest_end * MICROSECONDS
        measured, warming = 0, True
        while not self.stopping:
            while len(self._busy) < plan.connections:
                now = clock.now()
                if warming and now >= least and (now >= most or self._warm()):
                    warming, self.began = False, float(now)
                    self._begin()
                ends = self.began + plan.seconds * MICROSECONDS
                if now >= latest or (not warming and now >= ends and measured >= plan.at_least):
                    return
                measured += not warming
                self._send(now, next(positions))
            self._attend(clock.now() + NAP)

    def _begin(self) -> None:
        self.recorder.begins = self.began

    def _warm(self) -> bool:
        if self.plan.longest_warmup <= self.plan.warmup:
            return True
        return self.steadiness.steady is True or self.steadiness.hopeless

    def _attend(self, until: int) -> None:
        """Take what has arrived; where nothing has, wait for it, but not past `until`."""
        now = self.clock.now()
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            self._expire(*deadlines.popleft(), now)
        free = until - now
        if self.recorder.unread and (free > READING or self.recorder.unread > MOST_UNREAD):
            self.recorder.read_one()
            free = 0
        if deadlines:
            free = min(free, deadlines[0][0] - now)
        for descriptor in self._poll.ready(min(free, NAP)):
            connection = self._busy.get(descriptor)
            if connection is not None:
                self._take(connection, descriptor)
            else:
                self._forget_idle(descriptor)

    def _send(self, intended: int, position: int, *, again: _Connection | None = None) -> None:
        """Send now; `again` is the connection on which it was lost."""
        sent = self.clock.now() if again is None else again.sent
        try:
            connection = self._idle.popleft() if self._idle and again is None else self._connect()
        except OSError as error:
            self.recorder.add(intended=intended, sent=sent, position=position,
                              answer=no_answer(self.clock.now(), error))
            return
        connection.intended, connection.sent, connection.position = intended, sent, position
        descriptor = connection.socket.fileno()
        self._busy[descriptor] = connection
        self._deadlines.append((self.clock.now() + self._timeout, descriptor, sent))
        self._push(connection, descriptor, memoryview(self._requests[position]))

    def _push(self, connection: _Connection, descriptor: int, data: memoryview) -> None:
        """Hand bytes to the kernel; where it takes no more, go on when it does."""
        try:
            data = data[connection.socket.send(data):]
        except AGAIN:
            pass
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # some systems say so while the connection is being made
                self._lost(connection, descriptor, error)
                return
        before, connection.unsent = connection.unsent, data if len(data) else None
        if (before is None) != (connection.unsent is None):
            self._poll.want_to_write(descriptor, connection.unsent is not None)

    def _take(self, connection: _Connection, descriptor: int) -> None:
        """Something has happened on a busy connection."""
        if connection.unsent is not None:
            self._push(connection, descriptor, connection.unsent)
            if self._busy.get(descriptor) is not connection:
                return
        try:
            while data := connection.socket.recv(262_144):
                done = self.clock.now()
                connection.arrived = connection.arrived + data if connection.arrived else data
                if self._finish(connection, descriptor, done):
                    return
            self._finish(connection, descriptor, self.clock.now(), ended=True)
        except AGAIN:
            return
        except (ReplyError, OSError) as error:
            self._lost(connection, descriptor, error)

    def _finish(self, connection: _Connection, descriptor: int, done: int, *, ended: bool = False) -> bool:
        if ended and not connection.arrived:
            raise ConnectionResetError("the server closed the connection without an answer")
        reply = parse(connection.arrived, ended=ended)
        if reply is None:
            return False
        del self._busy[descriptor]
        self.recorder.keep(intended=connection.intended, sent=connection.sent, done=done,
                           position=connection.position, reply=reply)
        if self.recorder.begins == float("inf"):
            self.steadiness.add(done, done - connection.intended)
        if reply.closes or ended or connection.unsent is not None:
            self._close(connection, descriptor)
        else:
            connection.arrived, connection.fresh = b"", False
            self._idle.append(connection)
        return True

    def _lost(self, connection: _Connection, descriptor: int, error: BaseException) -> None:
        del self._busy[descriptor]
        self._close(connection, descriptor)
        if not connection.fresh and not connection.arrived and isinstance(error, ConnectionError):
            self._send(connection.intended, connection.position, again=connection)
            return
        self.recorder.add(intended=connection.intended, sent=connection.sent, position=connection.position,
                          answer=no_answer(self.clock.now(), error))

    def _expire(self, _when: int, descriptor: int, sent: int, now: int) -> None:
        connection = self._busy.get(descriptor)
        if connection is None or connection.sent != sent:
            return  # long answered
        del self._busy[descriptor]
        self._close(connection, descriptor)
        self.recorder.add(intended=connection.intended, sent=sent, position=connection.position,
                          answer=no_answer(now, TimeoutError()))

    def _forget_idle(self, descriptor: int) -> None:
        """The server has closed a connection nobody was using (or sent what nobody asked for)."""
        for connection in self._idle:
            if connection.socket.fileno() == descriptor:
                self._idle.remove(connection)
                self._close(connection, descriptor)
                return

    def _connect(self) -> _Connection:
        connection = _Connection(self._open())
        self._poll.add(connection.socket.fileno())
        return connection

    def _close(self, connection: _Connection, descriptor: int) -> None:
        self._poll.remove(descriptor)
        connection.socket.close()
