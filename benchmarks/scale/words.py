"""The tables of docs/scale-out.md, from committed results alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.decision.publish import published
from benchmarks.machine.children import ROOT
from benchmarks.machine.fingerprint import cpu_name
from benchmarks.peers.__main__ import RESULTS as PEERS
from benchmarks.peers.goals import two_workers
from benchmarks.scale.calculation import BALANCE, DEMANDS, SCRAPE_S, SPARE, TAIL_SHARE, Core, Need, cores_of, need

WIRE = ROOT / "benchmarks" / "results" / "scale" / "wire.json"  # bytes and counts are those of any machine
NOTHING = ("Nothing can be calculated yet: it takes a committed decision and a comparison with peers, of one machine, "
           "and `python -m benchmarks.scale --publish`.")
FAN_OUT = (10, 100)


def scale() -> str:
    """Everything, by machine for which decision and peers are committed."""
    parts, wire = [], _read(WIRE)
    for path in published():
        decision, peers = _read(path), _read(PEERS / path.name)
        if decision and wire and peers and (ratios := two_workers(peers)):
            parts.append(_machine(decision, wire, min(ratios), len(ratios)))
    return "\n\n".join(parts) or NOTHING


def _machine(decision: dict[str, Any], wire: dict[str, Any], doubling: float, rounds: int) -> str:
    cores, price = cores_of(decision), decision["wish"]["price_per_hour"]
    rows = [(core, [need(demand, core, price=price, doubling=doubling, wire=wire) for demand in DEMANDS])
            for core in cores]
    machine, counted, objective = decision["machine"], wire["machine"], cores[0].objective
    measured = (
        f"Measured on {cpu_name(machine)} ({decision['cores']}), {objective}, one image per request as PNG; "
        f"decision of commit {machine['commit']}. "
        f"Two workers bore at least {doubling:.2f} times what one did ({rounds} rounds), on calls of 32 raw images: "
        "for one image per request this is assumed. Memory is that of all processes of one worker's server, once for "
        "each core; pages that processes share are counted in each of them, so it is rather too much. "
        f"A request is {wire['request_bytes']:,.0f} bytes and its answer {wire['answer_bytes']:,.0f}; a replica that "
        f"holds {wire['models']} models has {wire['series']:,} series on `/metrics` when each was asked, and with one "
        f"worker {(wire['supervisor_bytes'] + wire['worker_bytes']) / 1e6:,.0f} MB of memory, "
        f"{wire['worker_bytes'] / 1e6:,.0f} of them the worker's; counted on {counted['at'][:10]}, at commit "
        f"{counted['commit']}. "
        f"Price: {price:g} for a core and hour."
    )
    return "\n\n".join((measured, _per_core(cores), _needs(rows), _surroundings(rows), _fan_out()))


def _per_core(cores: list[Core]) -> str:
    lines = ["| Model | Accuracy | One core bears | may be given | p99 up to there | planned mean | of what it bears |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    lines += [f"| `{core.label}` | {core.accuracy:.2%} | {core.capacity:,.0f}/s | {core.target:,.0f}/s "
              f"| {core.target_p99_us / 1000:.1f} ms | {BALANCE * core.target:,.0f}/s "
              f"| {BALANCE * core.utilisation:.0%} |" for core in cores]
    return "\n".join(lines)


def _needs(rows: list[tuple[Core, list[Need]]]) -> str:
    lines = ["| Predictions per second | Model | Replicas, of them spare | Cores | Memory | Per hour | Per million |",
             "|---:|---|---:|---:|---:|---:|---:|"]
    for place, demand in enumerate(DEMANDS):
        for core, needs in rows:
            found = needs[place]
            lines.append(f"| {demand:,} | `{core.label}` | {found.replicas:,} of {found.cores_each} "
                         f"core{'s' * (found.cores_each > 1)}, {found.spare:,} | {found.cores:,} "
                         f"| {_bytes(found.memory_gb)} | {found.per_hour:,.2f} | {found.per_million:.4f} |")
    return "\n".join(lines)


def _surroundings(rows: list[tuple[Core, list[Need]]]) -> str:
    core, needs = rows[0]
    columns = ("Predictions per second", "In", "Out", "Packets per second", "In flight at most", "Series", "Scrapes",
               "Steps of a rollout", "Pulled per GB of image")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---:|" * len(columns)]
    lines += [f"| {found.demand:,} | {_bits(found.in_gbit)} | {_bits(found.out_gbit)} | {found.packets:,.0f} "
              f"| {found.in_flight:,.0f} | {found.series:,} | {_bits(found.scrape_mbit / 1000)} | {found.waves} "
              f"| {_bytes(found.replicas)} |" for found in needs]
    return f"What stands around them, for `{core.label}`:\n\n" + "\n".join(lines)


def _fan_out() -> str:
    slow = [f"{1 - 0.99 ** calls:.0%} of those that ask {calls}" for calls in FAN_OUT]
    return (
        "One prediction in a hundred is slower than p99. Whoever asks several at once waits for the slowest: beyond "
        f"p99 wait {', '.join(slow)}. Assumed: the service may spend {TAIL_SHARE:.0%} of the objective; {BALANCE:.0%} "
        f"of that rate is planned, because balancing is never even; {SPARE:.0%} of the replicas, at least one, are "
        f"spare; rates are peaks; a scrape every {SCRAPE_S} s."
    )


def _bits(gbit: float) -> str:
    return f"{gbit:,.1f} Gbit/s" if gbit >= 1 else f"{gbit * 1000:,.1f} Mbit/s"


def _bytes(gigabytes: float) -> str:
    return f"{gigabytes / 1000:,.1f} TB" if gigabytes >= 1000 else f"{gigabytes:,.1f} GB"


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_bytes()) if path.exists() else None
