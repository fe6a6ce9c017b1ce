"""Weighs Weighbridge beside its peers, all around the same session, in one run on this machine.

    python -m benchmarks.peers                          all contenders, 5 rounds of 5 s per load
    python -m benchmarks.peers --only bare weighbridge  some of them
    python -m benchmarks.peers --publish                also benchmarks/results/peers/<machine>.json
    python -m benchmarks.peers --show FILE              the Markdown of a stored result

Peers get environments of their own under .venv-peers/, from the versions pinned in benchmarks/peers/versions/.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.commands.shared import count, positive
from benchmarks.machine.children import ROOT, leaving_nothing
from benchmarks.machine.fingerprint import fingerprint, slug, warnings
from benchmarks.peers.contenders import FORMS, Contender, find
from benchmarks.peers.load import WRK_MISSING, wrk_version
from benchmarks.peers.rounds import Findings, Plan, compare
from benchmarks.peers.summary import summarise
from benchmarks.peers.table import table
from service.card import write_atomically

RESULTS = ROOT / "benchmarks" / "results" / "peers"
RUNS = ROOT / "benchmarks" / "runs"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, store; 1 when a contender had to be left out."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    if options.show:
        console.print(table(json.loads(options.show.read_bytes())), soft_wrap=True, markup=False)
        return 0
    try:
        contenders = find(options.only)
    except ValueError as error:
        console.print(f"[bold red]error:[/] {error}")
        return 2
    machine, began = fingerprint(), time.monotonic()
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    if wrk_version() is None:
        console.print(f"[yellow]note:[/] {WRK_MISSING}")
    folder = RUNS / f"peers-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    folder.mkdir(parents=True)
    plan = Plan(seconds=options.seconds, rounds=options.rounds, seed=options.seed)
    try:
        findings = compare(plan, contenders, folder,
                           lambda line: console.print(f"{time.monotonic() - began:6.0f} s  {line}", markup=False,
                                                      soft_wrap=True))
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return 130
    result = _result(findings, contenders, machine)
    content = json.dumps(result, indent=1).encode() + b"\n"
    console.print(f"\n{table(result)}\n", soft_wrap=True, markup=False)
    console.print(f"result: {write_atomically(folder / 'result.json', content)}", soft_wrap=True)
    if options.publish:
        console.print(f"published: {write_atomically(RESULTS / f'{slug(machine)}.json', content)}", soft_wrap=True)
    return 1 if findings.out else 0


def _result(findings: Findings, contenders: list[Contender], machine: dict[str, Any]) -> dict[str, Any]:
    facts = findings.facts()
    return {
        "schema_version": 1, "machine": machine, "plan": facts["plan"], "cores": facts["cores"],
        "client": wrk_version() or "our own", "paced_client": "benchmarks.peers.client",
        "model": Path(findings.plan.model).parent.name,
        "forms": {name: {"title": title, "images": images} for name, (title, images) in FORMS.items()},
        "contenders": [
            {"name": one.name, "label": one.label, "note": one.note, "versions": findings.versions.get(one.name),
             "forms": sorted(name for name, form in one.forms.items() if form), "out": findings.out.get(one.name)}
            for one in contenders
        ],
        "summary": summarise(findings.rows), "rows": findings.rows,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=positive, default=5.0, help="of each load (default: 5)")
    parser.add_argument("--rounds", type=count, default=5, help="each contender's turns (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="contenders; default: all")
    parser.add_argument("--publish", action="store_true", help="store the result to be committed")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print a stored result and measure nothing")
    return parser


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
