"""LoadGen as the driver of an HTTP service, run as a child process where `mlperf_loadgen` is installed.

    python -m benchmarks.crosscheck.driver ORDER.json

LoadGen decides when each request starts and takes the times; this file only carries bytes. Its issuing thread writes
to a kept-alive connection and a second thread takes the replies; a single stream waits for its reply where it is, since
handing over between threads would be part of what it measures. The latency of every request comes from LoadGen's own
trace: from the moment it was scheduled to the moment it was reported complete. Standard library only.
"""

from __future__ import annotations

import base64
import gc
import json
import select
import socket
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import mlperf_loadgen as loadgen  # type: ignore[import-not-found,unused-ignore]  # in an environment of its own

from benchmarks.load.wire import Address, ReplyError, head_of, parse, request

TURN = 0.0002              # seconds after which a thread gets the interpreter back
FOREVER_NS = 60 * 10**9    # LoadGen wants a limit; judging is not its task here


class Carrier:
    """Carries requests; calls LoadGen back with each reply."""

    def __init__(self, order: dict[str, Any]) -> None:
        address = Address.parse(order["url"])
        head = head_of(address, order["path"], order["content_type"])
        self._requests = [request(head, base64.b64decode(body)) for body in order["bodies"]]
        self._place = (address.host, address.port)
        self._idle: deque[socket.socket] = deque()
        self._busy: dict[int, tuple[socket.socket, int, bytes]] = {}
        self._epoll = select.epoll()
        self.failures: dict[str, int] = {}
        self._alone = order["scenario"] == "single"
        for _ in range(1 if self._alone else order["connections"]):
            self._idle.append(self._connect())
        if not self._alone:
            threading.Thread(target=self._receive, daemon=True).start()

    def issue(self, samples: list[Any]) -> None:
        """Called by LoadGen in its own thread, at the scheduled time."""
        for sample in samples:
            try:
                connection = self._idle.popleft()
            except IndexError:
                connection = self._connect()
            self._busy[connection.fileno()] = (connection, sample.id, b"")
            connection.sendall(self._requests[sample.index])
            while self._alone and connection.fileno() in self._busy:
                self._take(connection.fileno())

    def warm(self, count: int) -> None:
        """Ask so often, one at a time, before anything is measured."""
        with socket.create_connection(self._place) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(count):
                connection.sendall(self._requests[number % len(self._requests)])
                arrived = b""
                while parse(arrived) is None:
                    if not (more := connection.recv(262_144)):
                        raise ConnectionResetError("the server closed the connection while it was warmed up")
                    arrived += more

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._place)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        return connection

    def _receive(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll():
                self._take(descriptor)

    def _take(self, descriptor: int) -> None:
        if descriptor not in self._busy:  # an idle connection that the server has closed
            self._forget(descriptor)
            return
        connection, sample, arrived = self._busy[descriptor]
        problem = ""
        try:
            more = connection.recv(262_144)
            reply = parse(arrived + more, ended=not more)
            if reply is None:
                self._busy[descriptor] = (connection, sample, arrived + more)
                return
            problem = "" if reply.status == 200 else f"HTTP {reply.status}"
        except (ReplyError, OSError) as error:
            problem, reply = f"no answer: {error!r:.120}", None
        del self._busy[descriptor]
        if reply is None or reply.closes:
            self._epoll.unregister(descriptor)
            connection.close()
        else:
            self._idle.append(connection)
        if problem:
            self.failures[problem] = self.failures.get(problem, 0) + 1
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample, 0, 0)])

    def _forget(self, descriptor: int) -> None:
        for connection in list(self._idle):
            if connection.fileno() == descriptor:
                self._idle.remove(connection)
                self._epoll.unregister(descriptor)
                connection.close()


def drive(order: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Send one load; `{"latency_ns", "issue_delay_ns", "failures", "percentile_said_ns", "loadgen"}`."""
    carrier = Carrier(order)
    carrier.warm(order["warmup"])
    sut = loadgen.ConstructSUT(carrier.issue, lambda: None)
    count = len(order["bodies"])
    qsl = loadgen.ConstructQSL(count, count, lambda _: None, lambda _: None)
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()
    gc.disable()
    loadgen.StartTestWithLogSettings(sut, qsl, settings(order), logs(folder), "")
    loadgen.DestroyQSL(qsl)
    loadgen.DestroySUT(sut)
    return read_logs(folder) | {"failures": carrier.failures}


def settings(order: dict[str, Any]) -> Any:
    """LoadGen's settings: so many requests and no more, whatever time they take."""
    chosen = loadgen.TestSettings()
    chosen.mode = loadgen.TestMode.PerformanceOnly
    if order["scenario"] == "server":
        chosen.scenario = loadgen.TestScenario.Server
        chosen.server_target_qps = order["rate"]
        chosen.server_target_latency_ns = FOREVER_NS
    else:
        chosen.scenario = loadgen.TestScenario.SingleStream
    chosen.min_query_count = chosen.max_query_count = order["requests"]
    chosen.min_duration_ms, chosen.max_duration_ms = 1, 0
    for seed in ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed"):
        setattr(chosen, seed, order["seed"] + 1)
    return chosen


def logs(folder: Path) -> Any:
    """Where LoadGen writes, with the trace that holds every single latency."""
    chosen, output = loadgen.LogSettings(), loadgen.LogOutputSettings()
    output.outdir, output.copy_summary_to_stdout = str(folder), False
    chosen.log_output, chosen.enable_trace = output, True
    return chosen


def read_logs(folder: Path) -> dict[str, Any]:
    """What LoadGen wrote down, in the order of its schedule."""
    latency: dict[int, int] = {}
    delay: dict[int, int] = {}
    for line in (folder / "mlperf_log_trace.json").read_text().splitlines():
        if '"name":"Sample"' in line and '"ph":"b"' in line:
            said = json.loads(line.rstrip(", "))["args"]
            latency[said["query_seq"]] = said["complete_ns"]
            delay[said["query_seq"]] = said["issue_start_ns"]
    summary = (folder / "mlperf_log_summary.txt").read_text()
    said_percentiles = {
        line.split(" percentile")[0].strip(): int(line.split(":")[1])
        for line in summary.splitlines() if " percentile latency (ns)" in line
    }
    version = next((json.loads(line.split(" ", 1)[1])["value"]
                    for line in (folder / "mlperf_log_detail.txt").read_text().splitlines()
                    if '"loadgen_version"' in line), "unknown")
    return {
        "latency_ns": [latency[k] for k in sorted(latency)],
        "issue_delay_ns": [delay[k] for k in sorted(delay)],
        "percentiles_said_ns": said_percentiles,
        "loadgen": version,
    }


if __name__ == "__main__":
    path = Path(sys.argv[1])
    told = json.loads(path.read_text())
    logs_folder = Path(told["logs"])
    logs_folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(told["result"]).with_suffix(".unfinished")
    unfinished.write_text(json.dumps(drive(told, logs_folder)))
    unfinished.replace(told["result"])
