"""A stand-in for the service, run as a child process: knows the right answer from the first pixel of a raw body.

    python tests/benchmarks/fake_service.py --port 4000 --work 0.002 --stall-after 2 --stall 1.5

One worker that blocks: while it works, sleeps or stalls, everything else waits in the socket, as in a real one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

options = argparse.ArgumentParser()
options.add_argument("--port", type=int, required=True)
options.add_argument("--work", type=float, default=0.0, help="seconds for every answer")
options.add_argument("--stall-after", type=float, default=0.0, help="seconds after the first request; 0: never")
options.add_argument("--stall", type=float, default=1.5, help="seconds")
options.add_argument("--wrong-every", type=int, default=0, help="every n-th answer is the next class")
options.add_argument("--fail-every", type=int, default=0, help="every n-th answer is a 503, and a fast one")
options.add_argument("--silent-every", type=int, default=0, help="every n-th request is never answered")
options.add_argument("--slow-from", type=int, default=0, help="from the n-th request on, answers take --slow seconds")
options.add_argument("--slow", type=float, default=1.0, help="seconds, without blocking others")
options.add_argument("--cache", action="store_true", help="bodies seen before are answered without working")
options.add_argument("--delayed-ack-every", type=int, default=0, help="every n-th answer comes 41 ms late")
options.add_argument("--bears", type=float, default=0.0, help="requests per second; what exceeds them is a 503")
options.add_argument("--key", help="what a bearer has to show; others get a 401")
options.add_argument("--foreign", action="store_true", help="answers have another server's form")
options.add_argument("--refuse", action="store_true", help="end at once with an error")
args = options.parse_args()

EVALUATION = {"correct": 150, "count": 200, "accuracy": 0.75, "interval": {"low": 0.686, "high": 0.805}}
seen, first, stalled = 0, 0.0, False
tokens, filled = args.bears / 4, time.monotonic()
remembered: set[bytes] = set()


def due(every: int) -> bool:
    return bool(every) and seen % every == 0


def too_many() -> bool:
    """A bucket that fills at the rate it bears, and holds what comes in a quarter of a second."""
    global tokens, filled
    now = time.monotonic()
    tokens, filled = min(args.bears / 4, tokens + args.bears * (now - filled)), now
    empty = tokens < 1
    tokens -= not empty
    return bool(args.bears) and empty


async def answer(body: bytes) -> tuple[int, bytes] | None:
    global seen, first, stalled
    first = first or time.monotonic()
    seen += 1
    mine = seen
    if args.stall_after and not stalled and time.monotonic() - first > args.stall_after:
        stalled = True
        time.sleep(args.stall)
    if due(args.silent_every):
        return None
    if due(args.fail_every) or too_many():
        return 503, b'{"error": "busy"}'
    label = (body[0] + due(args.wrong_every)) % 10 if body else 0
    if not (args.cache and body in remembered):
        time.sleep(args.work)
    remembered.add(body)
    if due(args.delayed_ack_every):
        await asyncio.sleep(0.041)
    if args.slow_from and mine >= args.slow_from:
        await asyncio.sleep(args.slow)
    if args.foreign:
        return 200, json.dumps({"label": str(label)}).encode()
    return 200, json.dumps({"predictions": [{"label": str(label), "index": label, "probability": 1.0}]}).encode()


async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
            body = await reader.readexactly(length)
            said: tuple[int, bytes] | None
            if args.key and head.startswith("post ") and f"authorization: bearer {args.key}\r\n" not in head:
                said = 401, b'{"error": "no key"}'
            elif head.startswith("post /evaluate"):
                said = 200, json.dumps(EVALUATION).encode()
            else:
                said = (200, b"{}") if head.startswith("get ") else await answer(body)
            if said is None:
                await asyncio.sleep(3600)
            assert said is not None
            status, content = said
            writer.write(
                b"HTTP/1.1 %d X\r\nServer-Timing: decode;dur=0.1, infer;dur=0.5, total;dur=0.7\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(content), content)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    async with await asyncio.start_server(connection, "127.0.0.1", args.port, backlog=1024) as server:
        await server.serve_forever()


if args.refuse:
    sys.exit("no model could be loaded")
try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(0)
