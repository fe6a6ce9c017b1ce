"""Bytes of a prediction on the wire, of a scrape, and of memory. No times: it may be measured on a busy machine."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.load.payloads import png
from benchmarks.load.wire import LENGTH, Address, head_of, request
from benchmarks.machine.server import Server, ServerError
from service.splits import Split

IMAGES = 200
ANSWER_S = 30  # a server that is silent for longer has none


def measure(server: Server, split: Path) -> dict[str, Any]:
    """Mean bytes of PNG requests to /predict and of their answers; series and memory after every model was asked.

    A model has no series before its first request. Memory is what a process shares with no other: that of the
    supervisor, and that of all its workers.
    """
    pictures = [png(image) for image in Split.find(split).load()[0][:IMAGES]]
    address = Address.parse(server.url)
    sent = received = 0
    with socket.create_connection((address.host, address.port), timeout=ANSWER_S) as line:
        for picture in pictures:
            whole = request(head_of(address, "/predict", "image/png"), picture)
            line.sendall(whole)
            sent += len(whole)
            received += _reply(line)
    models = {each["name"]: each["card"]["input"]
              for each in httpx.get(f"{server.url}/models").raise_for_status().json()["models"]}
    for name, form in models.items():
        _ask(server.url, name, form)
    metrics = httpx.get(f"{server.url}/metrics").raise_for_status().text
    supervisor = psutil.Process(server.process.pid)
    return {
        "requests": len(pictures),
        "request_bytes": round(sent / len(pictures), 1), "answer_bytes": round(received / len(pictures), 1),
        "series": sum(1 for text in metrics.splitlines() if text and not text.startswith("#")),
        "scrape_bytes": len(metrics.encode()), "models": len(models),
        "supervisor_bytes": supervisor.memory_full_info().uss,
        "worker_bytes": sum(worker.memory_full_info().uss for worker in supervisor.children(recursive=True)),
    }


def _ask(url: str, model: str, form: dict[str, Any]) -> None:
    """Ask for one black image."""
    httpx.post(f"{url}/predict", params={"model": model}, timeout=ANSWER_S,
               content=bytes(form["channels"] * form["height"] * form["width"]),
               headers={"Content-Type": "application/octet-stream"}).raise_for_status()


def _reply(line: socket.socket) -> int:
    """Read one answer with a Content-Length; how long it was, head and all."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(line)
    head = got.partition(b"\r\n\r\n")[0]
    found = LENGTH.search(head)
    assert found is not None, f"an answer without its length: {head!r}"
    length = int(found[1])
    while len(got) < len(head) + 4 + length:
        got += _more(line)
    return len(got)


def _more(line: socket.socket) -> bytes:
    more = line.recv(65536)
    if not more:
        raise ServerError("the server hung up in the middle of an answer")
    return more
