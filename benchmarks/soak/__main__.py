"""Holds the service under load for a long time, or floods it with broken requests, and says whether it stood.

    python -m benchmarks.soak --minutes 10           80 % of the capacity, with everything that goes wrong outside
    python -m benchmarks.soak --requests 100000      that many broken requests
    python -m benchmarks.soak ... --publish          also benchmarks/results/soak/<machine>-{soak,fuzz}.json

Exit code 0: no wrong answer, none lost, none mixed up, no server error, and memory that does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import positive
from benchmarks.machine.children import ROOT, leaving_nothing
from benchmarks.machine.cores import pinned, share_out
from benchmarks.machine.fingerprint import fingerprint, slug, warnings
from benchmarks.machine.server import Server, serving
from benchmarks.soak.bodies import Body, pictures, write_bodies
from benchmarks.soak.connection import Connection
from benchmarks.soak.corpus import broken
from benchmarks.soak.fuzzing import fuzz
from benchmarks.soak.memory import Memory
from benchmarks.soak.soaking import READ_LIMIT_S, Plan, Soak, summary
from service.card import write_atomically

RESULTS = ROOT / "benchmarks" / "results" / "soak"
MODELS = ROOT / "models"
MODEL = "fm000-tinyvgg"
BODIES = 700
CALIBRATION_S = 5.0
CONNECTIONS = 16


def main(arguments: list[str] | None = None) -> int:
    """Run one of the two; 1 when the service did not stand it."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    machine, cores = fingerprint(), share_out()
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    settings = {"WEIGHBRIDGE_DEFAULT_MODEL": MODEL, "WEIGHBRIDGE_CONTROL": "true",
                "WEIGHBRIDGE_TIMEOUT_S": str(READ_LIMIT_S), "WEIGHBRIDGE_WORKERS": str(options.workers)}
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            log = Path(folder) / "server.log"
            work = _fuzz if options.requests else _soak
            with (serving(root=MODELS, log=log, cores=cores.server, settings=settings) as server,
                  pinned(cores.generator)):
                found = asyncio.run(work(server, options, console))
            found["tracebacks"] = log.read_text(errors="replace").count("Traceback")
            if found["tracebacks"]:
                console.print(log.read_text(errors="replace")[-3000:], markup=False)
    except KeyboardInterrupt:
        return 130
    result = {"schema_version": 1, "kind": "fuzz" if options.requests else "soak", "model": MODEL, "machine": machine,
              "cores": str(cores), "workers": options.workers, **found}
    result["stood"] = stood(result)
    console.print_json(json.dumps({name: value for name, value in result.items() if name not in ("machine", "rss")}))
    console.print("[green]it stood[/]" if result["stood"] else "[bold red]it did not stand[/]")
    if result["memory"]["flat"] is None:
        console.print("whether its memory grows is not known: too short a time, or too much swing; take longer")
    if options.publish:
        path = RESULTS / f"{slug(machine)}-{result['kind']}.json"
        write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")
        console.print(f"published: {path}")
    return 0 if result["stood"] else 1


def stood(result: dict[str, Any]) -> bool:
    """No fault of any kind, nothing unexpected in the log, and memory that is not known to grow."""
    return not any(result["faults"].values()) and not result["tracebacks"] and result["memory"]["flat"] is not False


async def _soak(server: Server, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    host, port = server.url.removeprefix("http://").split(":")
    bodies = write_bodies(MODELS, MODEL, BODIES, options.seed)
    capacity = await _capacity(host, int(port), bodies)
    plan = Plan(seconds=options.minutes * 60, rate=round(options.utilisation * capacity, 1), seed=options.seed,
                reload_path=f"/v2/repository/models/{MODEL}/load")
    console.print(f"capacity {capacity:,.0f}/s, all forms mixed; {plan.rate:,.0f}/s for {options.minutes:g} minutes")
    memory = Memory(server.process.pid)
    tally = await Soak(host, int(port), plan, bodies, broken(options.seed, pictures(MODELS, 200)), memory).run()
    return {**summary(tally), "capacity": round(capacity, 1), "rate": plan.rate, "seconds": plan.seconds,
            "utilisation": options.utilisation, "memory": memory.verdict(), "rss": _thinned(memory)}


async def _fuzz(server: Server, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    host, port = server.url.removeprefix("http://").split(":")
    memory, began = Memory(server.process.pid), time.monotonic()
    tally, kinds = await fuzz(
        host, int(port), "/predict", options.requests, broken(options.seed, pictures(MODELS, 200)), memory,
        lambda number: console.print(f"{number:,} requests"),
    )
    return {**summary(tally), "requests": options.requests, "seconds": round(time.monotonic() - began, 1),
            "kinds": kinds, "memory": memory.verdict(), "rss": _thinned(memory)}


async def _capacity(host: str, port: int, bodies: list[Body]) -> float:
    """Answers per second when a few connections never pause; in this mix of forms, with this client."""
    ends, done = time.monotonic() + CALIBRATION_S, 0

    async def client(mine: list[Body]) -> None:
        nonlocal done
        connection = Connection(host, port)
        while time.monotonic() < ends:
            for body in mine:
                await connection.ask("/predict", body.content_type, body.data, "capacity")
                done += 1
        await connection.close()

    began = time.monotonic()
    await asyncio.gather(*(client(bodies[place::CONNECTIONS][:7]) for place in range(CONNECTIONS)))
    return done / (time.monotonic() - began)


def _thinned(memory: Memory) -> list[tuple[float, int]]:
    """At most 300 samples, seconds from the start."""
    step, start = max(1, len(memory.samples) // 300), memory.samples[0][0]
    return [(round(at - start, 1), size) for at, size in memory.samples[::step]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--minutes", type=positive, help="how long to soak")
    what.add_argument("--requests", type=int, help="how many broken requests to send")
    parser.add_argument("--utilisation", type=float, default=0.8, help="share of the capacity (default: 0.8)")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--publish", action="store_true", help="store the result to be committed")
    return parser


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
