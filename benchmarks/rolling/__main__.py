"""Replaces servers behind nginx, one after the other, by servers with a new version of the model, under load.

    python -m benchmarks.rolling                two servers, 50 % of what they can do together; two minutes
    python -m benchmarks.rolling --publish      also benchmarks/results/rolling/<machine>.json

Exit code 0: no request failed, and every answer named the version that gave it; 1: not so; 2: it could not be
done. Needs nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.commands.shared import positive
from benchmarks.comparison.contenders import MODELS
from benchmarks.comparison.publish import RESULTS
from benchmarks.machine.children import leaving_nothing
from benchmarks.machine.fingerprint import fingerprint, slug, warnings
from benchmarks.machine.server import ServerError
from benchmarks.rolling.proxy import find_nginx
from benchmarks.rolling.replacing import Rolling, replace_all
from benchmarks.rolling.words import rolling_table, stood
from service.card import write_atomically

ROLLING = RESULTS / "rolling"


def main(arguments: list[str] | None = None) -> int:
    """Replace, show, and store where that is wanted."""
    options = _parser().parse_args(arguments)
    console, machine = Console(highlight=False), fingerprint()
    try:
        find_nginx()
    except RuntimeError as error:
        console.print(f"[bold red]error:[/] {error}")
        return 2
    for warning in warnings(machine):
        console.print(f"[yellow]note:[/] {warning}")
    asked = Rolling(replicas=options.replicas, rate=options.rate, utilisation=options.utilisation,
                    quiet_s=options.quiet, seed=options.seed)
    try:
        with tempfile.TemporaryDirectory(prefix="weighbridge-rolling-") as folder:
            found = asyncio.run(replace_all(asked, MODELS, Path(folder), console.print))
    except KeyboardInterrupt:
        return 130
    except ServerError as error:
        console.print(f"error: {error}", style="bold red", markup=False)
        return 2
    result = {"schema_version": 1, "kind": "rolling", "created": machine["at"], "machine": machine,
              "asked": asdict(asked), **found}
    console.print(Markdown(rolling_table(result)))
    for failure, times in result["failures"].items():
        console.print(f"{times:,} times: {failure}", markup=False)
    console.print("[green]nothing was lost[/]" if stood(result) else "[bold red]it did not stand[/]")
    if options.publish:
        path = ROLLING / f"{slug(machine)}.json"
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, json.dumps(result, indent=1).encode() + b"\n")
        console.print(f"published: {path}; now run make readme", soft_wrap=True)
    return 0 if stood(result) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rolling", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=Rolling.replicas, help="servers behind nginx (default: 2)")
    parser.add_argument("--rate", type=positive, help="requests per second, rather than a share of the capacity")
    parser.add_argument("--utilisation", type=float, default=Rolling.utilisation,
                        help="share of the capacity (default: 0.5)")
    parser.add_argument("--quiet", type=float, default=Rolling.quiet_s,
                        help="seconds of load before, between and after the replacements (default: 10)")
    parser.add_argument("--seed", type=int, default=Rolling.seed)
    parser.add_argument("--publish", action="store_true", help="store the result in benchmarks/results/rolling/")
    return parser


if __name__ == "__main__":
    sys.exit(leaving_nothing(main))
